//! A body as it is sent: written, tagged and compressed once, however often it is given.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderValue, IF_NONE_MATCH};
use hyper::body::Frame;
use sha2::{Digest as _, Sha256};

use super::freshness::words;
use crate::model::weight::{allocated, shared};

/// Smaller bodies fit into one packet anyway.
const WORTH_PACKING: usize = 1024;
/// What a packed body may have at most, relative to the body, to be worth its memory.
const PACKED_AT_MOST: f64 = 0.5;
/// How hard Brotli tries, of 11: above this it takes several times as long for a hundredth less.
const BROTLI_QUALITY: u32 = 6;
/// How far back Brotli looks, as a power of two: further than the largest page.
const BROTLI_WINDOW: u32 = 20;

/// A JSON body with its tags.
pub(super) struct Rendered {
    pub(super) body: Bytes,
    etag: HeaderValue,
    /// In the order of [`Coding::ALL`].
    packed: [Packed; 2],
    when_packed: Option<Box<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, etag, packed, .. } = self;
        f.debug_struct("Rendered")
            .field("bytes", &body.len())
            .field("etag", etag)
            .field("packed", packed)
            .finish_non_exhaustive()
    }
}

/// A way to compress a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
}

/// A compressed body, once somebody has wanted it.
#[derive(Debug)]
struct Packed {
    etag: HeaderValue,
    body: OnceLock<Bytes>,
    /// Whether somebody packs it, has packed it, or found that it is not worth it.
    taken: AtomicBool,
}

/// How many bodies are packed at once. Packing takes a processor and megabytes for each; when all places are taken, a body
/// is sent as it is, and the next caller may find one.
const AT_ONCE: usize = 4;

/// One of the places where bodies are packed.
struct Place;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

impl Place {
    fn take() -> Option<Self> {
        let more = |taken| (taken < AT_ONCE).then_some(taken + 1);
        TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok().then_some(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The form in which a caller gets a body.
#[derive(Debug)]
pub(super) enum Form<'a> {
    /// The caller has it already; the tag says which form of it.
    Known(&'a HeaderValue),
    /// As it is.
    Plain(&'a Bytes, &'a HeaderValue),
    /// Compressed.
    Packed(&'a Bytes, &'a HeaderValue, Coding),
}

impl Coding {
    /// The smaller result first.
    const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// As in `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the tag of a body ends with that was packed so.
    fn tag_ending(self) -> &'static str {
        match self {
            Self::Brotli => "-br\"",
            Self::Gzip => "-gzip\"",
        }
    }

    fn is_called(self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.name()) || (self == Self::Gzip && name.eq_ignore_ascii_case("x-gzip"))
    }

    fn pack(self, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut packed = Vec::with_capacity(body.len() / 4);
        match self {
            Self::Brotli => {
                let mut encoder = brotli::CompressorReader::new(body, 4096, BROTLI_QUALITY, BROTLI_WINDOW);
                encoder.read_to_end(&mut packed)?;
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(&mut packed, Compression::default());
                encoder.write_all(body)?;
                encoder.finish()?;
            }
        }
        Ok(packed)
    }
}

impl Rendered {
    /// A body that will be given again: the first caller who reads a packed form has it made for those who come later.
    pub(super) fn new(body: Bytes) -> Self {
        let taken = body.len() < WORTH_PACKING;
        Self::with(body, taken)
    }

    /// A body that is made anew each time.
    pub(super) fn once(body: Bytes) -> Self {
        Self::with(body, true)
    }

    fn with(body: Bytes, taken: bool) -> Self {
        let etag = etag(&body);
        let text = etag.to_str().expect("tags are visible ASCII").trim_end_matches('"');
        let packed = Coding::ALL.map(|coding| Packed {
            etag: HeaderValue::try_from(format!("{text}{}", coding.tag_ending())).expect("so is this"),
            body: OnceLock::new(),
            taken: AtomicBool::new(taken),
        });
        Self { body, etag, packed, when_packed: None }
    }

    /// The same, which tells by `grown` when a packed form was made and it takes more memory.
    pub(super) fn when_packed(self, grown: impl Fn() + Send + Sync + 'static) -> Self {
        Self { when_packed: Some(Box::new(grown)), ..self }
    }

    /// Bytes in memory.
    pub(super) fn weight(&self) -> usize {
        // The text of a tag, its counts, and the place where both are noted.
        let tags = self.tags().map(|tag| allocated(tag.len()) + allocated(3 * size_of::<usize>()));
        let bodies = [Some(&self.body)].into_iter().chain(self.packed.iter().map(|packed| packed.body.get()));
        let bodies = bodies.flatten().map(|body| allocated(body.len()) + allocated(3 * size_of::<usize>()));
        shared::<Self>() + tags.sum::<usize>() + bodies.sum::<usize>()
    }

    /// The form that fits the caller best. Nobody waits for a form that is not ready.
    pub(super) fn form(self: &Arc<Self>, request: &HeaderMap) -> Form<'_> {
        let form = self.best(request).unwrap_or(Form::Plain(&self.body, &self.etag));
        let tag = form.tag();
        // Weak tags count too (RFC 9110, 13.1.2), and those of the other forms: they say the same.
        let known = words(request, &IF_NONE_MATCH, &[',']).find_map(|name| {
            let name = name.trim_start_matches("W/");
            let named = self.tags().find(|tag| tag.as_bytes() == name.as_bytes());
            named.or_else(|| (name == "*").then_some(tag))
        });
        known.map_or(form, Form::Known)
    }

    fn tags(&self) -> impl Iterator<Item = &HeaderValue> {
        [&self.etag].into_iter().chain(self.packed.iter().map(|packed| &packed.etag))
    }

    /// The packed form that the caller likes best, or the other one if only that is ready.
    fn best(self: &Arc<Self>, request: &HeaderMap) -> Option<Form<'_>> {
        let [first, second] = read_by(request)?;
        // What is ready now: whoever begins to pack does not wait for it.
        let ready = [first, second].into_iter().flatten().find_map(|coding| self.ready(coding));
        if let Some(first) = first
            && self.ready(first).is_none()
            && !self.packed[first as usize].taken.load(Ordering::Relaxed)
            && let Some(place) = Place::take()
            && !self.packed[first as usize].taken.swap(true, Ordering::Relaxed)
        {
            let rendered = Arc::clone(self);
            tokio::task::spawn_blocking(move || {
                rendered.pack(first);
                drop(place);
            });
        }
        ready
    }

    fn ready(&self, coding: Coding) -> Option<Form<'_>> {
        let packed = &self.packed[coding as usize];
        packed.body.get().map(|body| Form::Packed(body, &packed.etag, coding))
    }

    fn pack(&self, coding: Coding) {
        let fits = |packed: &Vec<u8>| packed.len() as f64 <= PACKED_AT_MOST * self.body.len() as f64;
        if let Some(packed) = coding.pack(&self.body).ok().filter(fits) {
            // Only one caller gets here.
            let _ = self.packed[coding as usize].body.set(Bytes::copy_from_slice(&packed));
            self.when_packed.iter().for_each(|grown| grown());
        }
    }
}

impl<'a> Form<'a> {
    /// The tag of the answer.
    pub(super) fn tag(&self) -> &'a HeaderValue {
        let (Self::Known(tag) | Self::Plain(_, tag) | Self::Packed(_, tag, _)) = self;
        tag
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> Body {
        match self {
            Self::Known(_) => Body::new(Nothing),
            Self::Plain(body, _) | Self::Packed(body, ..) => Body::from(Bytes::clone(body)),
        }
    }
}

/// A body of unknown length that ends at once: a 304 must not carry `Content-Length`, and an empty one would get a zero.
struct Nothing;

impl HttpBody for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

/// Strong, and the same wherever the same bytes are answered.
pub(super) fn etag(body: &[u8]) -> HeaderValue {
    let hash = Sha256::digest(body);
    let text = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..16]));
    HeaderValue::try_from(text).expect("base64 is visible ASCII")
}

/// Whether a caller means the body with this tag, in whatever form it got it.
pub(super) fn is_named(tag: &HeaderValue, name: &str) -> bool {
    match Coding::ALL.iter().find_map(|coding| name.strip_suffix(coding.tag_ending())) {
        Some(plain) => tag.as_bytes().strip_suffix(b"\"") == Some(plain.as_bytes()),
        None => tag.as_bytes() == name.as_bytes(),
    }
}

/// The codings a caller reads, the one it likes best first. A coding's own word decides, else the one for anything
/// (RFC 9110, 12.5.3); without the header nothing is packed.
fn read_by(request: &HeaderMap) -> Option<[Option<Coding>; 2]> {
    if !request.contains_key(ACCEPT_ENCODING) {
        return None;
    }
    let (mut own, mut any) = ([None; 2], None);
    for word in words(request, &ACCEPT_ENCODING, &[',']) {
        let mut parts = word.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(1.0, |weight| weight.parse::<f32>().unwrap_or_default());
        if name == "*" {
            any = Some(weight);
        }
        for coding in Coding::ALL.into_iter().filter(|coding| coding.is_called(name)) {
            own[coding as usize] = Some(weight);
        }
    }
    let weight = |coding: Coding| own[coding as usize].or(any).unwrap_or_default();
    let mut liked = Coding::ALL;
    if weight(Coding::Gzip) > weight(Coding::Brotli) {
        liked.reverse();
    }
    Some(liked.map(|coding| (weight(coding) > 0.0).then_some(coding)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(accepts: &'static str, known: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !accepts.is_empty() {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepts));
        }
        if !known.is_empty() {
            headers.insert(IF_NONE_MATCH, HeaderValue::try_from(known).unwrap());
        }
        headers
    }

    fn large() -> Arc<Rendered> {
        Arc::new(Rendered::new(Bytes::from("0123456789".repeat(400))))
    }

    #[test]
    fn what_a_caller_likes_best_comes_first_and_what_it_excludes_never() {
        use Coding::{Brotli, Gzip};
        for (accepts, read) in [
            ("gzip", [Some(Gzip), None]),
            ("x-gzip", [Some(Gzip), None]),
            ("gzip, deflate, br, zstd", [Some(Brotli), Some(Gzip)]),
            ("br;q=0.5, GZIP;q=0.8", [Some(Gzip), Some(Brotli)]),
            ("*", [Some(Brotli), Some(Gzip)]),
            ("br;q=0, *", [Some(Gzip), None]),
            ("gzip;q=0, *;q=0", [None, None]),
            ("gzip;q=much", [None, None]),
            ("identity", [None, None]),
        ] {
            assert_eq!(read_by(&request(accepts, "")), Some(read), "{accepts}");
        }
        assert_eq!(read_by(&request("", "")), None);
    }

    async fn packed(rendered: &Arc<Rendered>, accepts: &'static str) -> (Bytes, HeaderValue, Coding) {
        let request = request(accepts, "");
        loop {
            if let Form::Packed(body, tag, coding) = rendered.form(&request) {
                return (body.clone(), tag.clone(), coding);
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_first_who_reads_a_packed_form_does_not_wait_for_it_and_those_who_come_later_get_it() {
        let rendered = large();
        assert!(matches!(rendered.form(&request("gzip", "")), Form::Plain(..)));
        let (gzip, gzip_tag, _) = packed(&rendered, "gzip").await;
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut body).unwrap();
        assert_eq!(body, rendered.body);
        let (brotli, brotli_tag, coding) = packed(&rendered, "br").await;
        assert_eq!(coding, Coding::Brotli);
        let mut body = Vec::new();
        brotli::Decompressor::new(&brotli[..], 4096).read_to_end(&mut body).unwrap();
        assert_eq!(body, rendered.body);
        assert!(gzip_tag != brotli_tag && gzip_tag != rendered.etag && brotli_tag != rendered.etag);
        assert!(matches!(rendered.form(&request("", "")), Form::Plain(..)));
    }

    #[test]
    fn until_the_better_form_is_ready_the_other_one_is_given() {
        let rendered = large();
        rendered.packed[0].taken.store(true, Ordering::Relaxed);
        rendered.pack(Coding::Gzip);
        let request = request("br, gzip", "");
        assert!(matches!(rendered.form(&request), Form::Packed(_, _, Coding::Gzip)));
        rendered.pack(Coding::Brotli);
        assert!(matches!(rendered.form(&request), Form::Packed(_, _, Coding::Brotli)));
    }

    #[test]
    fn what_does_not_get_smaller_by_half_stays_as_it_is() {
        let noise: Vec<u8> = (0..100_u64).flat_map(|n| Sha256::digest(n.to_be_bytes())).collect();
        let rendered = Rendered::new(noise.into());
        let small = Rendered::new(Bytes::from_static(b"{}"));
        for coding in Coding::ALL {
            rendered.pack(coding);
            assert!(rendered.ready(coding).is_none());
            assert!(small.packed[coding as usize].taken.load(Ordering::Relaxed), "too small to begin with");
        }
    }

    #[test]
    fn a_tag_of_either_form_is_known_and_answered_with_itself() {
        let rendered = large();
        let [brotli, packed] = [0, 1].map(|at| rendered.packed[at].etag.to_str().unwrap());
        let plain = rendered.etag.to_str().unwrap();
        for (named, tag) in [
            (plain.to_owned(), plain),
            (format!("\"other\", W/{packed}"), packed),
            (brotli.to_owned(), brotli),
            ("*".to_owned(), plain),
        ] {
            let request = request("", &named);
            let Form::Known(known) = rendered.form(&request) else { panic!("{named}") };
            assert_eq!(known, tag);
        }
        assert!(matches!(rendered.form(&request("", "\"other\"")), Form::Plain(..)));
        assert!([plain, packed, brotli].iter().all(|name| is_named(&rendered.etag, name)));
        assert!(!is_named(&rendered.etag, "\"other-gzip\"") && !is_named(&rendered.etag, "\"\""));
    }
}
