//! CPU time, of this thread and of other processes.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// CPU time that the living threads of a process have used, to the nanosecond
/// (`/proc/PID/task/*/schedstat`; the ticks of `/proc/PID/stat` are too coarse).
pub(crate) fn process_cpu(pid: u32) -> io::Result<Duration> {
    let mut nanos = 0_u64;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = thread?.path().join("schedstat");
        // A thread may end meanwhile.
        let text = fs::read_to_string(path).unwrap_or_default();
        let running = text.split(' ').next().and_then(|word| word.parse().ok());
        nanos = nanos.saturating_add(running.unwrap_or(0_u64));
    }
    Ok(Duration::from_nanos(nanos))
}

/// Microseconds, for ratios.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Milliseconds, for people.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
