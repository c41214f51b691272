//! The connection to the gate: one question at a time, events between them.
//!
//! While it stands the picture may be open; when it ends, however it ends, the gate closes.

use std::path::PathBuf;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};
use wardkey_gate::protocol::{FromGate, Request, parse_line, to_line};

use super::Events;
use crate::limits;
use crate::session::{Input, Ticket};

/// A question with its ticket.
type Question = (Ticket, Box<Request>);

/// The way to the gate. The connection ends when this is dropped.
#[derive(Debug)]
pub(super) struct Gate(UnboundedSender<Question>);

impl Gate {
    /// Connects. [`Input::GateUp`] comes back, or [`Input::GateLost`], which comes last in any case.
    pub(super) fn connect(socket: PathBuf, events: Events) -> Self {
        let (ask, questions) = unbounded_channel();
        tokio::spawn(async move {
            let reason = serve(&socket, questions, &events).await;
            tracing::debug!(reason, "No connection to the gate");
            events.send(Input::GateLost).await;
        });
        Self(ask)
    }

    /// Asks; [`Input::GateSaid`] comes back, unless the connection ends.
    pub(super) fn ask(&self, ticket: Ticket, request: Box<Request>) {
        // That the connection has ended is said by itself.
        drop(self.0.send((ticket, request)));
    }
}

/// Ends the reader together with the connection.
struct Ends(AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves one connection; says why it ended.
async fn serve(
    socket: &PathBuf,
    mut questions: UnboundedReceiver<Question>,
    events: &Events,
) -> &'static str {
    let Ok(Ok(stream)) = timeout(limits::GATE_ANSWER, UnixStream::connect(socket)).await else {
        return "nobody answers";
    };
    let (read, mut write) = stream.into_split();
    let (said, mut lines) = channel(8);
    let _reader = Ends(tokio::spawn(hear(read, said)).abort_handle());
    events.send(Input::GateUp).await;
    let mut asked: Option<(Ticket, Instant)> = None;
    loop {
        let line = if let Some((_, until)) = asked {
            match timeout_at(until, lines.recv()).await {
                Ok(line) => line,
                Err(_) => return "it does not answer in time",
            }
        } else {
            tokio::select! {
                line = lines.recv() => line,
                question = questions.recv() => {
                    let Some((ticket, request)) = question else {
                        return "it was let go";
                    };
                    if !say(&mut write, &request).await {
                        return "it does not listen";
                    }
                    let now = Instant::now();
                    asked = Some((ticket, now.checked_add(limits::GATE_ANSWER).unwrap_or(now)));
                    continue;
                }
            }
        };
        match (line, asked) {
            (None, _) => return "it has ended the connection",
            (Some(FromGate::Event(event)), _) => events.send(Input::GateTold(event)).await,
            (Some(FromGate::Answer(answer)), Some((ticket, _))) => {
                asked = None;
                events.send(Input::GateSaid { ticket, answer }).await;
            }
            (Some(FromGate::Answer(_)), None) => return "it answered without a question",
        }
    }
}

async fn say(to: &mut OwnedWriteHalf, request: &Request) -> bool {
    let Ok(line) = to_line(request) else {
        return false;
    };
    matches!(
        timeout(limits::GATE_ANSWER, to.write_all(&line)).await,
        Ok(Ok(()))
    )
}

/// Reads lines until there are none, or one that is not a gate's.
async fn hear(from: OwnedReadHalf, said: Sender<FromGate>) {
    let most = u64::try_from(wardkey_gate::limits::LINE_BYTES).unwrap_or(u64::MAX);
    let mut from = BufReader::new(from);
    loop {
        let mut line = Vec::new();
        match (&mut from).take(most).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let Ok(line) = parse_line(&line) else {
            tracing::error!("What the gate said cannot be understood");
            return;
        };
        if said.send(line).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::UnixListener;
    use tokio::sync::mpsc::Receiver;
    use wardkey_gate::protocol::{Answer, Event};
    use wardkey_schemas::ids::SessionId;
    use wardkey_schemas::session::EndReason;

    use super::*;

    async fn next(inputs: &mut Receiver<Input>) -> Input {
        timeout(Duration::from_secs(20), inputs.recv())
            .await
            .unwrap()
            .unwrap()
    }

    #[tokio::test]
    async fn questions_go_one_by_one_and_events_come_between() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("gate.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (events, mut inputs) = Events::new();
        let gate = Gate::connect(socket, events);
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut questions = BufReader::new(read).lines();
        assert!(matches!(next(&mut inputs).await, Input::GateUp));
        let (first, second) = (Ticket::numbered(1), Ticket::numbered(2));
        gate.ask(first, Box::new(Request::Status {}));
        gate.ask(second, Box::new(Request::Nonce {}));
        assert_eq!(
            questions.next_line().await.unwrap().unwrap(),
            r#"{"status":{}}"#
        );
        let event = FromGate::Event(Event::Closed {
            session: SessionId::from_bytes([1; 16]),
            reason: EndReason::Staff,
            at: wardkey_gate::boottime::Boottime::from_millis(7),
        });
        write.write_all(&to_line(&event).unwrap()).await.unwrap();
        assert!(matches!(next(&mut inputs).await, Input::GateTold(_)));
        let fault = FromGate::Answer(Answer::Fault {
            what: "none".to_owned(),
        });
        write.write_all(&to_line(&fault).unwrap()).await.unwrap();
        let Input::GateSaid { ticket, .. } = next(&mut inputs).await else {
            panic!("an answer")
        };
        assert_eq!(ticket, first);
        assert_eq!(
            questions.next_line().await.unwrap().unwrap(),
            r#"{"nonce":{}}"#
        );
        drop((questions, write));
        assert!(matches!(next(&mut inputs).await, Input::GateLost));
    }

    #[tokio::test]
    async fn letting_go_ends_the_connection_and_nobody_there_is_said() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("gate.sock");
        let (events, mut inputs) = Events::new();
        let nobody = Gate::connect(socket.clone(), events.clone());
        assert!(matches!(next(&mut inputs).await, Input::GateLost));
        drop(nobody);
        let listener = UnixListener::bind(&socket).unwrap();
        let gate = Gate::connect(socket, events);
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(matches!(next(&mut inputs).await, Input::GateUp));
        drop(gate);
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        assert!(matches!(next(&mut inputs).await, Input::GateLost));
    }
}
