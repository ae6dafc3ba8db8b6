//! What the fuzz targets check. Each module holds one of them; here is what they share: a clock that nobody waits for,
//! CRMs without sockets, and a list of the sources a CRM may have.

pub mod cursor;
pub mod query;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crm_gateway::config::{self, Config};
use crm_gateway::model::context::{Freshness, Payer, Reason};
use crm_gateway::model::interest::Interest;
use crm_gateway::model::{Class, Ctx};
use crm_gateway::sandbox;
use crm_gateway::upstream::wire::Transport;
use http::{Request, Response};
use tokio::runtime::{Builder, Runtime};
use tower::util::BoxCloneSyncService;

/// Calls `$each!` with every kind of record. A new one is a line here.
#[macro_export]
macro_rules! sources {
    ($each:ident) => {
        $each!(crm_gateway::model::student::Student);
        $each!(crm_gateway::model::lesson::Lesson);
        $each!(crm_gateway::model::schedule::Schedule);
        $each!(crm_gateway::model::task::Task);
        $each!(crm_gateway::model::communication::Communication);
        $each!(crm_gateway::model::payment::Payment);
        $each!(crm_gateway::model::project::Project);
        $each!(crm_gateway::model::group::Group);
        $each!(crm_gateway::model::member::Member);
        $each!(crm_gateway::model::teacher::Teacher);
        $each!(crm_gateway::model::teacher_part::WorkingHour);
        $each!(crm_gateway::model::teacher_part::Rate);
        $each!(crm_gateway::model::calendar::CalendarEntry);
        $each!(crm_gateway::model::reference::ReferenceEntry);
        $each!(crm_gateway::model::tariff::Tariff);
        $each!(crm_gateway::model::subscription::Subscription);
        $each!(crm_gateway::model::discount::Discount);
        $each!(crm_gateway::model::bonus::Bonus);
        $each!(crm_gateway::model::history::HistoryEntry);
        $each!(crm_gateway::model::message::Message);
        $each!(crm_gateway::model::project_step::ProjectStep);
        $each!(crm_gateway::model::project_action::ProjectAction);
        $each!(crm_gateway::model::checklist::Checklist);
        $each!(crm_gateway::model::project_good::ProjectGood);
    };
}

/// A runtime whose clock jumps over every pause.
fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("it needs nothing of the system")
}

/// The simulators' configuration with `more` lines, and quotas that nobody meets.
fn configuration(more: &str) -> (config::AlfaCrm, config::CryptoCrm) {
    let text = sandbox::configuration("http://alfa.example", "http://crypto.example") + more;
    let config = Config::from_toml(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let (Some(mut alfa), Some(mut crypto)) = (config.alfacrm, config.cryptocrm) else {
        unreachable!("both CRMs are configured");
    };
    for quota in [&mut alfa.quota, &mut crypto.quota] {
        quota.rate = 1e9;
    }
    (alfa, crypto)
}

/// To a function that knows the answer to every call.
fn to_answers(answer: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static) -> Transport {
    let answer = Arc::new(answer);
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
        let answer = Arc::clone(&answer);
        async move { Ok(answer(&request)) }
    }))
}

/// Somebody who asks, within a runtime.
fn ctx() -> Ctx {
    Ctx {
        payer: Payer { consumer: "fuzz".into(), class: Class::Interactive, weight: 1, allowance: None },
        reason: Reason::Miss,
        deadline: tokio::time::Instant::now() + Duration::from_secs(60),
        max_wait: None,
        freshness: Freshness::default(),
        interest: Interest::default(),
        rehearsal: None,
    }
}
