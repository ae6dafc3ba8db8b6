//! What people read: Swagger UI with everything bundled, the API document, and a page for each error code. None of it
//! loads anything from elsewhere.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{StatusCode, header};
use sha2::{Digest as _, Sha256};
use utoipa_swagger_ui::Config;

use super::codes::{Code, Entry};
use super::problem::{internal, no_such_path};
use super::{Settings, Shared};

/// Scripts and styles come from here and nowhere else. Swagger UI writes styles into elements and draws `data:` images.
const UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8881}\
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.4rem}h2{font-size:1.05rem;margin-top:1.6rem}\
code{font:.9em ui-monospace,monospace;background:var(--soft);padding:.1em .3em;border-radius:.2em}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.4rem .6rem .4rem 0;border-bottom:1px solid var(--line)}";

/// Paths that need no key.
pub(super) fn router(base_path: &str, settings: &Settings, openapi: String) -> Router<Shared> {
    let openapi = Bytes::from(openapi);
    let mut router = Router::new().route(
        &format!("{base_path}/openapi.json"),
        get(move || async move { file("application/json", openapi) }),
    );
    if settings.docs {
        let script = Bytes::from(initializer(base_path, settings.demo_key.as_deref()));
        let home: Arc<str> = format!("{base_path}/docs/").into();
        router = router
            .route(&format!("{base_path}/docs"), get(move || async move { moved(&home) }))
            .route(&format!("{base_path}/docs/"), get(|| async { ui_file("index.html") }))
            .route(
                &format!("{base_path}/docs/swagger-initializer.js"),
                get(move || async move { ui(file("text/javascript", script)) }),
            )
            .route(
                &format!("{base_path}/docs/errors"),
                get(|State(front): State<Shared>| async move { catalogue(&front.base_path) }),
            )
            .route(&format!("{base_path}/docs/errors/{{code}}"), get(error_page))
            .route(
                &format!("{base_path}/docs/{{file}}"),
                get(|path: Result<Path<String>, _>| async move {
                    match path {
                        Ok(Path(file)) => ui_file(&file),
                        Err::<_, PathRejection>(_) => no_such_path().into_response(),
                    }
                }),
            );
    }
    router
}

fn moved(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, to)]).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

fn file(kind: &'static str, body: impl Into<Bytes>) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, body.into()).into_response()
}

fn ui(mut response: Response) -> Response {
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(UI_POLICY));
    response
}

/// One of the bundled files.
fn ui_file(name: &str) -> Response {
    match utoipa_swagger_ui::serve(name, Arc::new(Config::from("openapi.json"))) {
        Ok(Some(file)) => {
            let mut response = ui(file_of_ui(&file.content_type, file.bytes.into_owned()));
            if file.gzpipped {
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        }
        Ok(None) => no_such_path().into_response(),
        Err(error) => internal(format!("a bundled file cannot be served: {error}")).into_response(),
    }
}

fn file_of_ui(kind: &str, body: Vec<u8>) -> Response {
    let kind = HeaderValue::from_str(kind).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, HeaderValue::from_static("no-cache"))], body).into_response()
}

/// Our own start script: asks nobody else, keeps the key over reloads, and in the demo signs in by itself.
fn initializer(base_path: &str, demo_key: Option<&str>) -> String {
    let settings = serde_json::json!({
        "url": format!("{base_path}/openapi.json"),
        "dom_id": "#swagger-ui",
        "deepLinking": true,
        "persistAuthorization": true,
        "tryItOutEnabled": true,
        "displayRequestDuration": true,
        "displayOperationId": true,
        "defaultModelsExpandDepth": 0,
        "filter": true,
        "validatorUrl": null,
        "layout": "StandaloneLayout",
    });
    let sign_in = demo_key.map_or_else(String::new, |key| {
        let key = serde_json::Value::from(key);
        format!("\n  settings.onComplete = () => window.ui.preauthorizeApiKey(\"bearer\", {key});")
    });
    format!(
        "window.onload = () => {{\n  const settings = {settings};\n  settings.presets = [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset];\n  settings.plugins = [SwaggerUIBundle.plugins.DownloadUrl];{sign_in}\n  window.ui = SwaggerUIBundle(settings);\n}};\n"
    )
}

async fn error_page(State(front): State<Shared>, path: Result<Path<String>, PathRejection>) -> Response {
    let code = path.ok().and_then(|Path(name)| Code::named(&name));
    match code {
        Some(code) => explanation(&front.base_path, code.entry()),
        None => no_such_path().into_response(),
    }
}

fn catalogue(base_path: &str) -> Response {
    let rows: String = Code::ALL
        .into_iter()
        .map(|code| {
            let Entry { name, status, title, .. } = code.entry();
            let status = status.as_u16();
            format!("<tr><td>{status}</td><td><a href=\"{base_path}/docs/errors/{name}\"><code>{name}</code></a></td><td>{title}</td></tr>")
        })
        .collect();
    let body = format!(
        "<h1>Errors</h1><p>Every error is a problem document (RFC 9457) whose <code>code</code> is one of these.</p>\
         <table><thead><tr><th>status</th><th>code</th><th></th></tr></thead><tbody>{rows}</tbody></table>\
         <p><a href=\"{base_path}/docs/\">The API</a></p>"
    );
    page("Errors", &body)
}

fn explanation(base_path: &str, entry: Entry) -> Response {
    let Entry { name, status, title, retryable, when, remedy } = entry;
    let repeat = if retryable {
        "Repeating the same request later may help."
    } else {
        "Repeating the same request does not help."
    };
    let body = format!(
        "<h1>{title}</h1><p><code>{name}</code>, status {}</p><h2>When</h2><p>{}</p><h2>What to do</h2><p>{}</p><p>{repeat}</p>\
         <p><a href=\"{base_path}/docs/errors\">All errors</a></p>",
        status.as_u16(),
        coded(when),
        coded(remedy)
    );
    page(title, &body)
}

/// Text of our own table, where backticks mark code.
fn coded(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    pieces
        .map(|(i, piece)| if i % 2 == 1 { format!("<code>{piece}</code>") } else { piece.to_owned() })
        .collect()
}

fn page(title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} · crm-gateway</title><style>{STYLE}</style></head><body>{body}</body></html>"
    );
    let mut response = file("text/html; charset=utf-8", html);
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_script_signs_in_only_in_the_demo_and_asks_nobody_else() {
        let plain = initializer("/crm", None);
        assert!(
            plain.contains("\"url\":\"/crm/openapi.json\"")
                && plain.contains("\"persistAuthorization\":true")
        );
        assert!(
            plain.contains("\"tryItOutEnabled\":true")
                && !plain.contains("preauthorize")
                && !plain.contains("http")
        );
        assert!(
            initializer("", Some("crmgw_demo")).contains("preauthorizeApiKey(\"bearer\", \"crmgw_demo\")")
        );
    }

    #[test]
    fn text_between_backticks_is_code() {
        assert_eq!(coded("Send `A: b`."), "Send <code>A: b</code>.");
    }
}
