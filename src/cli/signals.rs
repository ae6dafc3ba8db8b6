//! What ends a running gateway, and what makes it look at its configuration again.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// After SIGTERM requests still come for a while, until everybody has heard that we are not ready.
const GRACE: Duration = Duration::from_secs(2);

/// Completes on SIGTERM or SIGINT, with how long to go on taking requests. Somebody at a terminal does not want to wait.
pub(super) fn stop() -> io::Result<impl Future<Output = Duration>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => GRACE,
            _ = interrupt.recv() => Duration::ZERO,
        }
    })
}

/// Calls `reload` at every SIGHUP, for ever; those that come while it works are one.
pub(super) fn reload(reload: impl AsyncFn()) -> io::Result<impl Future<Output = ()>> {
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        while hang_up.recv().await.is_some() {
            reload().await;
        }
        std::future::pending().await
    })
}
