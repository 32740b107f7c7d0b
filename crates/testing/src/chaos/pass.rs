//! One connection, and what goes wrong on it.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time::sleep,
};

use super::faults::{Chaos, Counts, Cut, Faults};

/// Passes on what comes from either side, until both have closed, or it is cut.
pub(super) async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    number: u64,
    chaos: watch::Receiver<Chaos>,
    counts: &Counts,
) {
    // Else the system would put slices together again.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let way = |is_up| Way::new(chaos.clone(), is_up, number);
    let cut = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = way(true).carry(from_client, to_server, &counts.up);
        let down = way(false).carry(from_server, to_client, &counts.down);
        tokio::try_join!(up, down).err()
    };
    match cut {
        Some(Cut::Reset) => {
            let _ = (client.set_zero_linger(), server.set_zero_linger());
        }
        // What the proxy has not read yet would make a reset of it; so it says first that it is over.
        Some(Cut::Close | Cut::Silence) | None => {
            let _ = (client.shutdown().await, server.shutdown().await);
        }
    }
}

/// One direction of a connection.
struct Way {
    chaos: watch::Receiver<Chaos>,
    is_up: bool,
    passed: u64,
    chance: Chance,
}

impl Way {
    fn new(chaos: watch::Receiver<Chaos>, is_up: bool, number: u64) -> Self {
        let seed = chaos.borrow().seed;
        Self { chaos, is_up, passed: 0, chance: Chance::of(seed, number, is_up) }
    }

    fn faults(&self) -> Faults {
        let chaos = self.chaos.borrow();
        if self.is_up { chaos.up.clone() } else { chaos.down.clone() }
    }

    /// How many bytes may pass before the cut; and the cut, when there are none left.
    fn left(&self, faults: &Faults) -> Result<u64, Cut> {
        match faults.cut {
            Some((after, cut)) if self.passed >= after => Err(cut),
            Some((after, _)) => Ok(after - self.passed),
            None => Ok(u64::MAX),
        }
    }

    /// Whether bytes may pass. Where the cut is silence, this waits until they may again.
    async fn open(&mut self) -> Result<(Faults, u64), Cut> {
        loop {
            let faults = {
                self.chaos.borrow_and_update();
                self.faults()
            };
            match self.left(&faults) {
                Ok(left) => return Ok((faults, left)),
                Err(Cut::Silence) => self.changed().await,
                Err(cut) => return Err(cut),
            }
        }
    }

    async fn changed(&mut self) {
        if self.chaos.changed().await.is_err() {
            // Nobody will change anything any more.
            std::future::pending::<Infallible>().await;
        }
    }

    /// Carries bytes until the stream ends, and the end of it too.
    async fn carry(
        mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        count: &AtomicU64,
    ) -> Result<(), Cut> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            self.open().await?;
            let read = tokio::select! {
                read = from.read(&mut buffer) => read,
                () = self.changed() => continue,
            };
            let Ok(read) = read else { return Err(Cut::Reset) };
            if read == 0 {
                sleep(self.faults().slow_close).await;
                let _ = to.shutdown().await;
                return Ok(());
            }
            let mut rest = &buffer[..read];
            while !rest.is_empty() {
                let (faults, left) = self.open().await?;
                let (length, wait) = self.chance.piece(&faults, rest.len(), left);
                if !wait.is_zero() {
                    sleep(wait).await;
                }
                let (piece, others) = rest.split_at(length);
                if to.write_all(piece).await.is_err() {
                    return Err(Cut::Reset);
                }
                self.passed += length as u64;
                count.fetch_add(length as u64, Ordering::Relaxed);
                rest = others;
            }
        }
    }
}

/// What is drawn: the same for the same seed, connection and direction.
pub(super) struct Chance(Rng);

impl Chance {
    pub(super) fn of(seed: u64, number: u64, is_up: bool) -> Self {
        // The generator mixes its seed, so that neighbours have nothing in common.
        Self(Rng::with_seed(seed ^ number.wrapping_mul(2).wrapping_add(u64::from(is_up)).rotate_right(16)))
    }

    /// The length of the next piece, of `held` bytes of which `left` may pass; and how long it is held back.
    pub(super) fn piece(&mut self, faults: &Faults, held: usize, left: u64) -> (usize, Duration) {
        let most = held.min(usize::try_from(left).unwrap_or(usize::MAX));
        let length = match faults.slice {
            None => most,
            Some(slice) if faults.uneven => self.0.usize(1..=slice.get()).min(most),
            Some(slice) => slice.get().min(most),
        };
        let mut wait = faults.delay;
        if !faults.jitter.is_zero() {
            wait += faults.jitter.mul_f64(self.0.f64());
        }
        if let Some(rate) = faults.bytes_per_second {
            wait += Duration::from_nanos(1_000_000_000 / rate.get() * length as u64);
        }
        (length, wait)
    }
}
