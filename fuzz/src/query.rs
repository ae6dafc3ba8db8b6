//! Query parsing with every filter. A query is refused with reasons that are short, or it is a filter of which every
//! adapter can make calls that can be sent.

use std::sync::Arc;

use bytes::Bytes;
use crm_gateway::crm::alfa::Alfa;
use crm_gateway::crm::crypto::Crypto;
use crm_gateway::crm::{Branches, Crm, Position, Source};
use crm_gateway::model::{Entity, Filter, Query, RecordId};
use crm_gateway::telemetry::Metrics;
use http::Response;
use tokio::runtime::Runtime;

use crate::{configuration, runtime, to_answers};

/// Reads `text` as the query of every resource.
pub fn check(text: &str) {
    thread_local! {
        static CRMS: (Runtime, [Arc<dyn Crm>; 2]) = {
            let runtime = runtime();
            let within = runtime.enter();
            let (alfa, crypto) = configuration("");
            let metrics = Arc::new(Metrics::new());
            let nowhere = || to_answers(|_| Response::new(Bytes::new()));
            let alfa = Alfa::new(&alfa, nowhere(), Arc::clone(&metrics));
            let crypto = Crypto::new(&crypto, nowhere(), metrics);
            drop(within);
            (runtime, [Arc::new(alfa), Arc::new(crypto)])
        };
    }
    CRMS.with(|(_, crms)| {
        macro_rules! read {
            ($entity:ty) => {
                resource::<$entity>(text, crms.iter().filter_map(|crm| crm.sources().get::<$entity>()));
            };
        }
        crate::sources!(read);
    });
    if let Ok(id) = text.parse::<RecordId>() {
        assert_eq!(id.to_string(), text, "an id has one spelling");
    }
}

fn resource<E: Entity>(text: &str, sources: impl Iterator<Item = Arc<dyn Source<E>>>) {
    let mut query = Query::parse(text);
    let filter = E::Filter::read(&mut query);
    if let Err(bad) = query.finish() {
        assert!((1..=20).contains(&bad.len()), "{} problems", bad.len());
        for bad in bad {
            assert!(!bad.detail.is_empty() && bad.detail.len() < 4000, "{bad:?}");
            assert!(!bad.detail.contains(char::is_control), "{bad:?}");
        }
        return;
    }
    for source in sources {
        for branches in [Branches::All(vec![1, 2]), Branches::Only(vec![1])] {
            for lane in source.lanes(&filter, &branches).unwrap_or_default() {
                for at in [0, 7] {
                    let call = source.question(&filter, &lane, Position(at)).call;
                    call.target.parse::<http::uri::PathAndQuery>().expect("a target can be sent");
                    assert!(call.target.starts_with('/') && !call.target.contains('#'), "{}", call.target);
                    if let Some(body) = &call.body {
                        serde_json::from_slice::<serde_json::Value>(body).expect("a body is JSON");
                    }
                }
            }
        }
    }
}
