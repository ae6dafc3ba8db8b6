//! How long the program takes from its start until it is ready, and what it holds in memory when nobody asks for anything.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::child::{Child, Pins, pause};
use crate::{ROUNDS, bound, median};

/// So long it is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(2);

/// Starts the program that is shipped, over the CRMs that this part of a configuration leads to. Prints what was found;
/// returns how many figures are worse than they may be.
pub(crate) fn report(crms: &str, pins: &Pins) -> io::Result<usize> {
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-serve-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let [listen, admin] = [free()?, free()?];
        let config = folder.join("config.toml");
        let store = serde_json::to_string(&folder.join("store"))?;
        let text = format!(
            "[server]\nlisten = \"{listen}\"\nadmin_listen = \"{admin}\"\n\n[store]\npath = {store}\n\n{crms}\n\
             [consumers.bench]\nkey_hashes = [\"{}\"]\nscopes = [\"*\"]\n",
            crm_gateway::consumers::hash("nobody asks")
        );
        fs::write(&config, text)?;
        let arguments = ["serve".to_owned(), "--config".to_owned(), config.display().to_string()];
        let begin = Instant::now();
        let program = env!("CARGO_BIN_EXE_crm-gateway");
        let child = Child::running(program, &arguments, folder, pins)?;
        while !is_ready(admin) {
            if begin.elapsed() > Duration::from_secs(10) {
                return Err(io::Error::other(format!("it does not get ready: {}", child.log()?)));
            }
            pause(Duration::from_millis(1));
        }
        ready.push(begin.elapsed().as_secs_f64() * 1e3);
        pause(REST);
        resident.push(child.resident()? as f64 / f64::from(1 << 20));
    }
    let size = fs::metadata(env!("CARGO_BIN_EXE_crm-gateway"))?.len() as f64 / f64::from(1 << 20);
    Ok(bound("from start to ready, in ms", median(&ready), 200.0, "of the program that is shipped")
        + bound("memory of an idle one, in MiB", median(&resident), 40.0, "resident, its books read")
        + bound("its size, in MiB", size, 25.0, "without symbols"))
}

/// An address where nobody listens.
fn free() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

fn is_ready(admin: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(admin)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: gateway.example\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        io::Result::Ok(answer.starts_with("HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}
