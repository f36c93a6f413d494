//! What every example does beside its subject: its address, when to stop, and how it ends.

use std::env;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;

/// How long clients have to come to an end once the program is told to stop: longer than the policy
/// waits for a rejected upload (`Drain`).
const GRACE: Duration = Duration::from_secs(40);

/// Notified when it is.
static STOPPING: Notify = Notify::const_new();

/// Listens on the address that is the program's only, optional argument, by default 127.0.0.1:3000,
/// and says so.
#[allow(
    dead_code,
    reason = "an example that has other arguments, too, listens with `listen_on`, and over QUIC \
              with neither"
)]
pub(crate) async fn listen() -> Result<TcpListener, Box<dyn Error>> {
    let [address] = arguments(["127.0.0.1:3000"])?;
    listen_on(&address).await
}

/// Listens on `address` and says so.
pub(crate) async fn listen_on(address: &str) -> Result<TcpListener, Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listener)
}

/// The program's arguments, with the defaults of those that are left out.
pub(crate) fn arguments<const N: usize>(
    defaults: [&str; N],
) -> Result<[String; N], Box<dyn Error>> {
    let mut given = env::args_os().skip(1);
    let arguments = defaults.map(|default| match given.next() {
        Some(argument) => argument.to_string_lossy().into_owned(),
        None => default.to_owned(),
    });
    match given.next() {
        Some(unexpected) => {
            let unexpected = unexpected.to_string_lossy();
            Err(format!("unexpected argument: {unexpected}").into())
        }
        None => Ok(arguments),
    }
}

/// Waits for SIGINT or SIGTERM. Neither is missed once this has returned.
#[cfg(unix)]
pub(crate) fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        STOPPING.notify_one();
    })
}

/// Waits for Ctrl-C. It is not missed once this has returned.
#[cfg(windows)]
pub(crate) fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
        STOPPING.notify_one();
    })
}

/// Runs the program, to its exit code; an error is told on stderr.
///
/// A graceful shutdown goes on for as long as a client likes: one that never ends its request, or that
/// answers no `PING` of HTTP/2, would keep the program from ending.
pub(crate) async fn run(serve: impl Future<Output = Result<(), Box<dyn Error>>>) -> ExitCode {
    let overdue = async {
        STOPPING.notified().await;
        tokio::time::sleep(GRACE).await;
        format!("clients kept their connections open for {GRACE:?} after the signal")
    };
    let served = tokio::select! {
        served = serve => served,
        error = overdue => Err(error.into()),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
