//! What reaches a call from streams that it does not own.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context as Task, Poll, Waker},
};

use anyport_protocol::{Method, jsonrpc::Message};

use crate::client::WAITING;

/// Messages for one call. It has one reader; a call that is answered on its own response, as nearly all are, pays for one
/// allocation, where a channel would cost it thousands of bytes.
#[derive(Default)]
pub(super) struct Inbox(Mutex<State>);

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    /// Bytes of their params.
    bytes: usize,
    answer: Option<Message>,
    /// Whether nothing more will come.
    closed: bool,
    reader: Option<Waker>,
}

/// Where messages for a call are put. Dropping it tells the call that nothing more comes.
pub(super) struct Sender(Arc<Inbox>);

impl Inbox {
    pub(super) fn new() -> (Sender, Arc<Self>) {
        let inbox = Arc::new(Self::default());
        (Sender(inbox.clone()), inbox)
    }

    /// The next message that is not the answer. Never ready where none will come.
    pub(super) fn poll_message(&self, task: &Task<'_>) -> Poll<Message> {
        let mut state = self.lock();
        match state.messages.pop_front() {
            Some(message) => {
                state.bytes -= size(&message);
                Poll::Ready(message)
            }
            None => state.wait(task),
        }
    }

    /// The answer; `None` when it cannot come any more.
    pub(super) fn poll_answer(&self, task: &Task<'_>) -> Poll<Option<Message>> {
        let mut state = self.lock();
        match state.answer.take() {
            Some(answer) => Poll::Ready(Some(answer)),
            None if state.closed => Poll::Ready(None),
            None => state.wait(task),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait<T>(&mut self, task: &Task<'_>) -> Poll<T> {
        match &mut self.reader {
            Some(reader) => reader.clone_from(task.waker()),
            none => *none = Some(task.waker().clone()),
        }
        Poll::Pending
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Sender {
    /// Puts a message there, unless `most` of them wait already, or [`WAITING`] bytes; a larger one waits alone. Of further
    /// progress the newest is kept. Returns whether it did.
    pub(super) fn put(&self, message: Message, most: usize) -> bool {
        let mut state = self.0.lock();
        let State { messages, bytes, .. } = &mut *state;
        let size = size(&message);
        if messages.len() >= most.max(1) || *bytes + size > WAITING && !messages.is_empty() {
            let Some(last) = messages.back_mut().filter(|last| is_progress(last) && is_progress(&message))
            else {
                return false;
            };
            *bytes = *bytes - self::size(last) + size;
            *last = message;
            return true;
        }
        messages.push_back(message);
        *bytes += size;
        state.wake();
        true
    }

    /// Gives the answer, for which there is always room. A second one is none.
    pub(super) fn answer(&self, answer: Message) {
        let mut state = self.0.lock();
        state.answer.get_or_insert(answer);
        state.wake();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        state.wake();
    }
}

fn size(message: &Message) -> usize {
    match message {
        Message::Request(request) => request.params.as_ref().map_or(0, |params| params.as_str().len()),
        Message::Notification(notification) => {
            notification.params.as_ref().map_or(0, |params| params.as_str().len())
        }
        Message::Response(_) => 0,
    }
}

fn is_progress(message: &Message) -> bool {
    matches!(message, Message::Notification(notification) if notification.method == Method::Progress.as_str())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use anyport_protocol::jsonrpc::{Id, Notification, Response};
    use futures_util::FutureExt as _;

    use super::*;

    fn note(method: &str) -> Message {
        Message::Notification(Notification { method: method.into(), params: None })
    }

    #[tokio::test]
    async fn messages_come_in_order_up_to_a_bound_and_the_answer_always() {
        let (sender, inbox) = Inbox::new();
        assert!(sender.put(note("a"), 2) && sender.put(note("b"), 2) && !sender.put(note("c"), 2));
        let answer = Response { id: Some(Id::from(1)), outcome: Ok(anyport_protocol::Raw::NULL) };
        sender.answer(Message::Response(answer));
        for expected in ["a", "b"] {
            let Message::Notification(note) = poll_fn(|task| inbox.poll_message(task)).await else {
                panic!()
            };
            assert_eq!(note.method, expected);
        }
        assert!(matches!(poll_fn(|task| inbox.poll_answer(task)).await, Some(Message::Response(_))));
        assert!(poll_fn(|task| inbox.poll_message(task)).now_or_never().is_none());
    }

    #[tokio::test]
    async fn large_messages_are_bounded_by_their_bytes_and_the_newest_progress_is_kept() {
        let (sender, inbox) = Inbox::new();
        let large = |method: &str, step: usize| {
            let params = format!(r#"{{"progress":{step},"message":"{}"}}"#, "x".repeat(100_000));
            let params = anyport_protocol::Raw::trusted(params.into_bytes());
            Message::Notification(Notification { method: method.into(), params: Some(params) })
        };
        let put = |message| sender.put(message, 256);
        assert!(put(large("notifications/message", 0)) && put(large("notifications/progress", 1)));
        assert!(!put(large("notifications/message", 0)));
        for step in 2..100 {
            assert!(put(large("notifications/progress", step)));
        }
        let mut heard = Vec::new();
        while let Some(Message::Notification(note)) = poll_fn(|task| inbox.poll_message(task)).now_or_never()
        {
            heard.push(note.params.unwrap().as_str()[..16].to_owned());
        }
        assert_eq!(heard.len(), 2);
        assert!(heard[1].contains(r#""progress":99"#), "{heard:?}");
        // What is taken makes room.
        assert!(put(large("notifications/message", 0)));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_a_message_and_by_the_end() {
        let (sender, inbox) = Inbox::new();
        let reader = inbox.clone();
        let waiting = tokio::spawn(async move {
            poll_fn(|task| reader.poll_message(task)).await;
            poll_fn(|task| reader.poll_answer(task)).await.is_none()
        });
        tokio::task::yield_now().await;
        sender.put(note("a"), 1);
        tokio::task::yield_now().await;
        drop(sender);
        assert!(waiting.await.unwrap());
    }
}
