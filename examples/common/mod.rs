//! Code that all examples share: the address to listen on, the shutdown signal, and the exit code.

use std::env;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;

/// The time that clients have after the shutdown signal. It is longer than the policy waits for a rejected
/// upload (`BodyDrain`).
const GRACE: Duration = Duration::from_secs(40);

/// Notified by the shutdown signal.
static STOPPING: Notify = Notify::const_new();

/// Listens on the address in the program's only argument, and prints the address. The default is
/// 127.0.0.1:3000.
#[allow(dead_code, reason = "examples with more arguments use `listen_on`")]
pub(crate) async fn listen() -> Result<TcpListener, Box<dyn Error>> {
    let [address] = arguments(["127.0.0.1:3000"])?;
    listen_on(&address).await
}

/// Listens on `address` and prints it.
pub(crate) async fn listen_on(address: &str) -> Result<TcpListener, Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listener)
}

/// Returns the program's arguments, with defaults for the missing ones.
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

/// Waits for SIGINT or SIGTERM. A signal after this function has returned is not missed.
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

/// Waits for Ctrl-C. A Ctrl-C after this function has returned is not missed.
#[cfg(windows)]
pub(crate) fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
        STOPPING.notify_one();
    })
}

/// Runs the program, prints its error to stderr, and returns its exit code.
///
/// It limits the graceful shutdown, because a client that never finishes its request would keep the program
/// running.
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
