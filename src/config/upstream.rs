//! What the two CRM sections have in common: how much may be asked of a CRM, where it is, and in which time
//! zone it writes its times. Addresses are checked here once, so that whoever joins a path to one knows that
//! it has a scheme and a host and no slash at its end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::kind::{self, Kind};
use super::problem::{closest, suggest};
use super::reader::Reader;
use super::writer::Writer;

/// How many requests a CRM may get, and how long one of ours may wait for its turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Quota {
    /// Requests per second, all methods together; above zero.
    pub rate: f64,
    /// Requests that may go out back to back after an idle time; at least one.
    pub burst: u32,
    /// Longest stay in the waiting room.
    pub max_wait: Duration,
    /// Calls that may wait at the same time, all consumers together.
    pub max_queue: usize,
    /// Bytes that calls which wait may hold, all consumers together.
    pub max_queue_bytes: u64,
    /// What each class gets while it has calls waiting.
    pub guaranteed: Guaranteed,
    /// Turns that calls of an operation take; those not named take one.
    pub cost: BTreeMap<String, u32>,
}

/// The part of all turns that each class gets while it has calls waiting; together at most one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guaranteed {
    /// Of people who wait.
    pub interactive: f64,
    /// Of systems that wait.
    pub partner: f64,
    /// Of work that nobody waits for.
    pub batch: f64,
    /// Of our own background work.
    pub refresh: f64,
}

impl Guaranteed {
    fn read(r: &Reader<'_>) -> Option<Self> {
        let part = |key, usual| r.get(key, &kind::part(usual));
        let (interactive, partner) = (part("interactive", 0.5), part("partner", 0.2));
        let (batch, refresh) = (part("batch", 0.1), part("refresh", 0.05));
        let all = Self { interactive: interactive?, partner: partner?, batch: batch?, refresh: refresh? };
        let sum = all.interactive + all.partner + all.batch + all.refresh;
        if sum > 1.0 + 1e-9 {
            r.problem_here(format!("the parts add up to {sum:.2}; together they may be at most 1"));
            return None;
        }
        Some(all)
    }
}

fn costs(r: &Reader<'_>, operations: &[&str]) -> Option<BTreeMap<String, u32>> {
    let names = r.names();
    let cost = |(name, _): (&str, bool)| {
        if !operations.contains(&name) {
            let near = suggest(name, "operations", operations);
            r.problem(name, format!("nothing is called so in this CRM; {near}"));
        }
        let turns = r.get(name, &kind::whole(1..=100, 2))?;
        Some((name.to_owned(), turns))
    };
    names.into_iter().map(cost).collect()
}

impl Quota {
    pub(super) fn read(r: &Reader<'_>, operations: &[&str]) -> Option<Self> {
        let rate = r.get("rate", &kind::between(0.01, 1000.0, 5.0));
        let burst = r.get("burst", &kind::whole(1..=1000, 1));
        let max_wait = r.get("max_wait", &kind::duration("100ms", "10m", "20s"));
        let max_queue = r.get("max_queue", &kind::whole(1..=1_000_000, 2000));
        let max_queue_bytes = r.get("max_queue_bytes", &kind::size("64KiB", "1GiB", "64MiB"));
        let guaranteed = r.section("guaranteed", Guaranteed::read);
        let cost = r.optional_section("cost", |r| costs(r, operations));
        Some(Self {
            rate: rate?,
            burst: burst?,
            max_wait: max_wait?,
            max_queue: max_queue?,
            max_queue_bytes: max_queue_bytes?,
            guaranteed: guaranteed?,
            cost: cost?.unwrap_or_default(),
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.plain("rate", format!("{:?}", self.rate));
        w.plain("burst", self.burst);
        w.duration("max_wait", self.max_wait);
        w.plain("max_queue", self.max_queue);
        w.size("max_queue_bytes", self.max_queue_bytes);
        let Guaranteed { interactive, partner, batch, refresh } = self.guaranteed;
        w.pairs(
            "guaranteed",
            [("interactive", interactive), ("partner", partner), ("batch", batch), ("refresh", refresh)],
        );
        w.pairs("cost", self.cost.iter().map(|(operation, turns)| (operation.as_str(), *turns)));
    }
}

/// What every connection to a CRM has besides its address and credentials.
pub(super) struct Link {
    pub(super) timezone: TimeZone,
    pub(super) timezone_name: String,
    pub(super) page_size: u32,
    pub(super) request_timeout: Duration,
    pub(super) max_response: u64,
    pub(super) proxy: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) quota: Quota,
}

impl Link {
    pub(super) fn read(r: &Reader<'_>, operations: &[&str]) -> Option<Self> {
        let timezone = r.get("timezone", &timezone());
        let page_size = r.get("page_size", &kind::whole(1..=1000, 50));
        let request_timeout = r.get("request_timeout", &kind::duration("100ms", "10m", "20s"));
        let max_response = r.get("max_response", &kind::size("64KiB", "1GiB", "32MiB"));
        let proxy = r.optional("proxy", &origin("http://proxy.example:3128"));
        let ca_file = r.optional("ca_file", &kind::path("/etc/ssl/school-ca.pem"));
        let quota = r.section("quota", |r| Quota::read(r, operations));
        let (timezone, timezone_name) = timezone?;
        Some(Self {
            timezone,
            timezone_name,
            page_size: page_size?,
            request_timeout: request_timeout?,
            max_response: max_response?,
            proxy: proxy?,
            ca_file: ca_file?,
            quota: quota?,
        })
    }
}

/// An `http` or `https` address without path, kept without a slash at its end.
pub(super) fn origin(example: &'static str) -> Kind<String> {
    Kind::text(format!("an address such as {example:?}"), check_origin)
}

/// The same, where a bare host name stands for `https://` and that name.
pub(super) fn origin_or_host(example: &'static str) -> Kind<String> {
    Kind::text(format!("an address or a host name such as {example:?}"), |text| match text.contains("://") {
        false if !text.is_empty() => check_origin(&format!("https://{text}")),
        _ => check_origin(text),
    })
}

pub(super) fn check_origin(text: &str) -> Result<String, String> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Err("it must start with https:// or http://".into());
    };
    if !text.is_ascii() {
        return Err("write a national domain name in its xn-- form".into());
    }
    let uri: http::Uri = text.parse().map_err(|_| String::new())?;
    let scheme = scheme.to_ascii_lowercase();
    let authority = uri.authority().ok_or_else(String::new)?.as_str();
    if scheme != "https" && scheme != "http" {
        return Err("it must start with https:// or http://".into());
    }
    if authority.contains('@') {
        return Err("a user name or password in an address is not supported".into());
    }
    let port_is_good = match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok_and(|port| port > 0),
        _ => true,
    };
    if uri.host().is_none_or(str::is_empty) || !port_is_good {
        return Err("it must be a host and, if need be, a port from 1 to 65535".into());
    }
    if !uri.path().trim_matches('/').is_empty() || uri.query().is_some() || text.contains('#') {
        return Err("only the scheme, the host and the port belong here, no path".into());
    }
    Ok(format!("{scheme}://{}", authority.to_ascii_lowercase()))
}

/// An address with a path, as its origin and the rest.
pub(super) fn split_origin(text: &str) -> Result<(String, String), String> {
    let after_scheme = text.find("://").map_or(0, |at| at + 3);
    let path = text[after_scheme..].find(['/', '?', '#']).map_or(text.len(), |at| after_scheme + at);
    let (origin, path) = text.split_at(path);
    let origin = check_origin(origin)?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    match path.parse::<http::uri::PathAndQuery>() {
        Ok(_) if !path.contains('#') => Ok((origin, path)),
        _ => Err("what stands behind the host is no path".into()),
    }
}

/// Says when credentials would cross a network in clear.
pub(super) fn warn_if_clear(r: &Reader<'_>, base_url: &str) {
    if is_clear(base_url) {
        r.warn("base_url", "http:// sends the credentials and all data in clear; use https://");
    }
}

/// Whether what goes there can be read, and changed, on the way.
pub(super) fn is_clear(base_url: &str) -> bool {
    let Some(host) = base_url.strip_prefix("http://") else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name != "localhost" && !name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// An IANA time zone and its official spelling.
fn timezone() -> Kind<(TimeZone, String)> {
    Kind::text("the name of a time zone such as \"Europe/Moscow\"", |text| {
        let Ok(zone) = TimeZone::get(text) else {
            let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let close = closest(text, names.iter().map(String::as_str));
            return Err(close.map(|name| format!("did you mean {name:?}?")).unwrap_or_default());
        };
        let name = zone.iana_name().unwrap_or(text).to_owned();
        Ok((zone, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_reduced_to_its_origin() {
        for (text, want) in [
            ("https://school.s20.online", "https://school.s20.online"),
            ("https://School.S20.Online/", "https://school.s20.online"),
            ("HTTP://localhost:8080", "http://localhost:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(check_origin(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn an_address_with_a_path_is_taken_apart() {
        let parts = |origin: &str, path: &str| Ok((origin.to_owned(), path.to_owned()));
        for (text, want) in [
            ("https://ID.example/keys", parts("https://id.example", "/keys")),
            ("https://id.example", parts("https://id.example", "/")),
            ("https://id.example:8443/a/b?tenant=1", parts("https://id.example:8443", "/a/b?tenant=1")),
        ] {
            assert_eq!(split_origin(text), want, "{text}");
        }
        for text in [
            "id.example/keys",
            "file:///etc/keys",
            "https://me:pw@id.example/",
            "https://id.example/a#b",
            "https:///keys",
            "https://id.example/a b",
        ] {
            assert!(split_origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bad_address_says_why() {
        let range = "it must be a host and, if need be, a port from 1 to 65535";
        let path = "only the scheme, the host and the port belong here, no path";
        let scheme = "it must start with https:// or http://";
        for (text, hint) in [
            ("", scheme),
            ("school.s20.online", scheme),
            ("ftp://school.example", scheme),
            ("https://школа.example", "write a national domain name in its xn-- form"),
            ("https://", ""),
            ("https://a b", ""),
            ("https://me:pw@school.example", "a user name or password in an address is not supported"),
            ("https://school.example:0", range),
            ("https://school.example:", range),
            ("https://:80", range),
            ("https://school.example/v2api", path),
            ("https://school.example?x=1", path),
            ("https://school.example/#x", path),
        ] {
            assert_eq!(check_origin(text), Err(hint.into()), "{text}");
        }
    }
}
