//! Every maximum of a connection, each with its reason.

use std::time::Duration;

/// A TLS handshake: generous for 300 ms round trips with loss, short for somebody who only holds
/// the connection.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// The head of a request, from the first byte.
pub const HEAD: Duration = Duration::from_secs(10);

/// A body. Four MiB over a slow line take most of it.
pub const BODY: Duration = Duration::from_secs(40);

/// A whole request with its answer: the body, and what an answer may take.
pub const REQUEST: Duration = Duration::from_mins(1);

/// What a client waits for an answer to an ordinary request.
pub const ANSWER: Duration = Duration::from_secs(20);

/// How long a client keeps a connection that nothing goes over: less than [`HEAD`], after which the
/// service closes it, and less than a router takes to forget it. A question on a way that is no more
/// would cost the whole wait for its answer, just when orders come by poll.
pub const IDLE: Duration = Duration::from_secs(8);

/// What a client waits for a connection.
pub const CONNECT: Duration = Duration::from_secs(10);

/// Bytes that one connection may buffer: the least that hyper allows, so that an idle link is
/// cheap.
pub const BUFFER: usize = 8 * 1024;

/// Connections at once. 10,000 laptops with a link each, as many requests beside them, and room.
pub const CONNECTIONS: u16 = 30_000;

/// How long a listener waits after a connection could not be accepted: long enough not to spin, short
/// enough that nobody notices.
pub const BREATH: Duration = Duration::from_millis(100);

/// How long a service that was asked to stop lets requests finish.
pub const DRAIN: Duration = Duration::from_secs(5);

/// An answer that a client reads: the longest is a trust bundle with its package around it.
pub const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A piece of a log: 256 entries of at most 65,535 bytes each, with their lengths.
pub const PIECE_BYTES: usize = 256 * (65_535 + 2);
