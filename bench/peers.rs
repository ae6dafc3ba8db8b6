//! The proxies that a remembered answer is compared with. Both have it from the bare server and keep it for the whole run;
//! neither checks a key, counts, limits or logs.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use crate::child::{Child, Pins};

const NGINX: &str = "
daemon off; master_process off; worker_processes 1; pid DIR/nginx.pid; error_log DIR/nginx.err warn;
events { worker_connections 1024; }
http {
  access_log off; server_tokens off; sendfile on; tcp_nopush off; tcp_nodelay on;
  keepalive_timeout 300s; keepalive_requests 1000000000; open_file_cache max=20000 inactive=300s;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
  proxy_cache_path DIR/cache levels=1:2 keys_zone=hot:16m max_size=1g inactive=1h use_temp_path=off;
  proxy_cache_key $request_uri; proxy_http_version 1.1; proxy_set_header Connection \"\";
  proxy_ignore_headers Cache-Control Expires Vary; proxy_cache_valid any 1h;
  upstream origin { server ORIGIN; keepalive 64; }
  server { listen ADDRESS backlog=4096; location / { proxy_pass http://origin; proxy_cache hot; } }
}
";

const VARNISH: &str = "vcl 4.1;
backend default { .host = \"127.0.0.1\"; .port = \"PORT\"; }
sub vcl_recv { return (hash); }
sub vcl_backend_response { unset beresp.http.Vary; set beresp.ttl = 1h; return (deliver); }
";

/// nginx with `proxy_cache` before `origin`.
pub(crate) fn nginx(origin: SocketAddr, pins: &Pins) -> io::Result<Child> {
    let (dir, address) = (folder("nginx")?, free()?);
    let text = NGINX
        .replace("DIR", &dir.display().to_string())
        .replace("ORIGIN", &origin.to_string())
        .replace("ADDRESS", &address.to_string());
    let file = dir.join("nginx.conf");
    fs::write(&file, text)?;
    let arguments = ["-c".to_owned(), file.display().to_string(), "-p".to_owned(), dir.display().to_string()];
    Child::peer("nginx", &arguments, address, dir, pins)
}

/// Varnish before `origin`. It gives what it has as it is: its own handling of gzip would unpack it.
pub(crate) fn varnish(origin: SocketAddr, pins: &Pins) -> io::Result<Child> {
    let (dir, address) = (folder("varnish")?, free()?);
    let file = dir.join("default.vcl");
    fs::write(&file, VARNISH.replace("PORT", &origin.port().to_string()))?;
    let (place, vcl) = (dir.join("work").display().to_string(), file.display().to_string());
    let listen = address.to_string();
    let arguments = ["-F", "-j", "none", "-n", &place, "-a", &listen, "-f", &vcl, "-s", "malloc,256m"];
    let settings = ["http_gzip_support=off", "thread_pools=1", "thread_pool_min=100", "timeout_idle=300"];
    let settings = settings.iter().flat_map(|setting| ["-p", setting]);
    let arguments: Vec<String> = arguments.into_iter().chain(settings).map(str::to_owned).collect();
    Child::peer("varnishd", &arguments, address, dir, pins)
}

fn folder(name: &str) -> io::Result<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// An address that nobody listens on. Somebody else may take it before it is used; then the server says so.
fn free() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
