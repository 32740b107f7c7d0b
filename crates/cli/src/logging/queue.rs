use std::{
    collections::VecDeque,
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use anyport_metrics::{Counter, Metrics};

use super::{format::Format, line};

/// A queue of log lines on their way to a writer. Clones are the same queue.
///
/// Logging never waits: a thread writes, and if it cannot, because a pipe has no reader or a disk is full, lines wait
/// here until the queue is full. Further lines are dropped and counted, and the count is written as soon as possible.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// Everything is written.
    emptied: Condvar,
    /// Bytes that wait at most.
    room: usize,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines for which there was no room, or that could not be written.
    lost: u64,
    writing: bool,
}

/// The number of lost lines, once the program counts.
static LOST: OnceLock<Counter> = OnceLock::new();

/// Counts lost lines in `metrics` from now on.
pub(super) fn count_in(metrics: &Metrics) {
    // There is an older one only in the tests of this very process.
    let _ = LOST.set(metrics.refusals("log_queue"));
}

fn count_lost() {
    if let Some(lost) = LOST.get() {
        lost.increment();
    }
}

/// The shortest time between two attempts to write.
const PAUSE: Duration = Duration::from_millis(200);

impl Queue {
    /// Begins to write to `writer`, which is `place` in words. Each line comes in one piece.
    pub(super) fn new(
        place: &'static str,
        format: Format,
        room: usize,
        writer: impl Write + Send + 'static,
    ) -> Self {
        let shared =
            Shared { state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new(), room };
        let queue = Self(Arc::new(shared));
        let shared = queue.0.clone();
        // Without a thread there are no logs; the program serves all the same.
        let _ = thread::Builder::new().name(place.into()).spawn(move || shared.work(place, format, writer));
        queue
    }

    /// Adds a line, which ends with a line feed.
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut state = self.0.lock();
        if state.bytes + line.len() > self.0.room {
            state.lost += 1;
            count_lost();
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        drop(state);
        self.0.filled.notify_one();
    }

    /// Waits until everything is written, or until `patience` is over.
    pub(super) fn flush(&self, patience: Duration) {
        let state = self.0.lock();
        let busy = |state: &mut State| state.writing || !state.lines.is_empty();
        let _ = self.0.emptied.wait_timeout_while(state, patience, busy);
    }
}

impl Shared {
    fn work(&self, place: &'static str, format: Format, mut writer: impl Write) {
        let (mut failing, mut untold) = (false, 0);
        loop {
            let (lines, lost) = self.take();
            for line in lines {
                untold = tell(&mut writer, format, untold);
                let written = writer.write_all(&line);
                if written.is_err() {
                    untold += 1;
                    count_lost();
                }
                // Once, wherever else is written: the next hundred say the same.
                if let (Err(error), false) = (&written, failing) {
                    tracing::error!(%error, "the {place} cannot be written; lines are lost until it can");
                }
                failing = written.is_err();
            }
            // They came when these had taken all room.
            untold = tell(&mut writer, format, untold + lost);
            self.lock().writing = false;
            self.emptied.notify_all();
            if failing {
                // Only this thread reports it, so the time passes.
                let _ = self.emptied.wait_timeout(self.lock(), PAUSE);
            }
        }
    }

    /// All lines that wait, and how many were lost since they took all room; waits for the first.
    fn take(&self) -> (VecDeque<Vec<u8>>, u64) {
        let mut state = self.lock();
        while state.lines.is_empty() {
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.writing = true;
        state.bytes = 0;
        (std::mem::take(&mut state.lines), std::mem::take(&mut state.lost))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the number of dropped lines, if there are any; returns the number that is still unreported.
fn tell(writer: &mut impl Write, format: Format, lost: u64) -> u64 {
    if lost > 0 && writer.write_all(&line::lost(format, lost)).is_ok() { 0 } else { lost }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{
            atomic::{AtomicBool, Ordering},
            mpsc::{Receiver, Sender, channel},
        },
    };

    use super::*;

    /// Writes nothing until its gate is dropped, and fails while it is full.
    struct Slow {
        gate: Receiver<()>,
        full: Arc<AtomicBool>,
        written: Sender<String>,
    }

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.gate.recv();
            if self.full.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let _ = self.written.send(String::from_utf8_lossy(line).into_owned());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A queue, its gate, what says that its disk is full, and what was written.
    fn slow() -> (Queue, Sender<()>, Arc<AtomicBool>, Receiver<String>) {
        let ((gate, wait), (written, lines)) = (channel(), channel());
        let full = Arc::new(AtomicBool::new(false));
        let slow = Slow { gate: wait, full: full.clone(), written };
        (Queue::new("test", Format::Human, 4 * 1024 * 1024, slow), gate, full, lines)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn nobody_waits_for_a_reader_and_what_is_lost_is_told() {
        let metrics = Metrics::new();
        count_in(&metrics);
        let (queue, gate, _, lines) = slow();
        let line = vec![b'x'; 1024 * 1024];
        for _ in 0..20 {
            queue.push(line.clone());
        }
        // Nothing is written, and a flush gives up.
        queue.flush(Duration::from_millis(10));
        assert!(lines.try_recv().is_err());
        drop(gate);
        queue.flush(LONG);
        queue.push(b"last\n".to_vec());
        queue.flush(LONG);
        let said: Vec<String> = lines.try_iter().collect();
        let (kept, told): (Vec<&String>, Vec<&String>) =
            said.iter().partition(|said| said.len() == line.len());
        // As many as there is room for, and those that the writer has taken.
        assert!((4..=8).contains(&kept.len()), "{}", kept.len());
        // Reported where they are missing, which is twice if the writer started after the first losses.
        let lost: Vec<usize> = (told.iter())
            .filter_map(|said| said.split_once(" lines were lost here")?.0.rsplit(' ').next()?.parse().ok())
            .collect();
        assert_eq!(kept.len() + lost.iter().sum::<usize>(), 20, "{told:?}");
        let counted = metrics.snapshot().into_iter().find(|one| one.label == Some(("limit", "log_queue")));
        // Other tests lose lines as well.
        assert!(counted.unwrap().value >= i64::try_from(lost.iter().sum::<usize>()).unwrap());
        assert!(said.last().is_some_and(|said| said == "last\n"), "{told:?}");
    }

    #[test]
    fn what_could_not_be_written_is_told_when_it_can_be() {
        let (queue, gate, full, lines) = slow();
        drop(gate);
        full.store(true, Ordering::SeqCst);
        for line in [&b"gone\n"[..], b"gone too\n"] {
            queue.push(line.to_vec());
            queue.flush(LONG);
        }
        full.store(false, Ordering::SeqCst);
        queue.push(b"there\n".to_vec());
        queue.flush(LONG);
        let said: Vec<String> = lines.try_iter().collect();
        assert!(said[0].contains(" 2 lines were lost here") && said[0].ends_with('\n'), "{said:?}");
        assert_eq!(said[1..], ["there\n"]);
    }
}
