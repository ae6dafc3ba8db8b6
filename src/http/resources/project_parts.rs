//! What hangs on a project: its steps, events, checklists, goods and payments.

use crate::http::resource::{Filter, Offer, Resource, parent};
use crate::model::Query;
use crate::model::checklist::{Checklist, ChecklistFilter};
use crate::model::expand::Kin;
use crate::model::payment::{Payment, PaymentFilter};
use crate::model::project_action::{ProjectAction, ProjectActionFilter};
use crate::model::project_good::{ProjectGood, ProjectGoodFilter};
use crate::model::project_step::{ProjectStep, ProjectStepFilter};

pub(super) struct Steps;

impl Resource for Steps {
    type Record = ProjectStep;
    const PATH: &'static str = "/projects/{id}/steps";
    const NAMES: (&'static str, &'static str) = ("project_step", "project_steps");
    const ABOUT: &'static str = "The steps of its funnel that a project went through, in the CRM's order.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Project);

    fn narrow(filter: &mut ProjectStepFilter, path: &[&str]) -> bool {
        filter.project = parent(path);
        filter.project.is_some()
    }
}

pub(super) struct Actions;

impl Resource for Actions {
    type Record = ProjectAction;
    const PATH: &'static str = "/projects/{id}/actions";
    const NAMES: (&'static str, &'static str) = ("project_action", "project_actions");
    const ABOUT: &'static str = "What happened in a project: calls, meetings, letters, in the CRM's order.";
    const PARENT: Option<Kin> = Some(Kin::Project);
    const ID: &'static str = "action_id";

    fn narrow(filter: &mut ProjectActionFilter, path: &[&str]) -> bool {
        filter.project = parent(path);
        filter.project.is_some()
    }
}

pub(super) struct Checklists;

impl Resource for Checklists {
    type Record = Checklist;
    const PATH: &'static str = "/projects/{id}/checklists";
    const NAMES: (&'static str, &'static str) = ("project_checklist", "project_checklists");
    const ABOUT: &'static str = "What is to be done in a project. Where the CRM gives a row per item, a checklist without items is not there, and \
         `raw` holds the rows under `items`.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Project);

    fn narrow(filter: &mut ChecklistFilter, path: &[&str]) -> bool {
        filter.project = parent(path);
        filter.project.is_some()
    }
}

pub(super) struct Goods;

impl Resource for Goods {
    type Record = ProjectGood;
    const PATH: &'static str = "/projects/{id}/goods";
    const NAMES: (&'static str, &'static str) = ("project_good", "project_goods");
    const ABOUT: &'static str = "What a project sells, line by line. A line that has no id in the CRM gets one made of its good and its place among \
         the project's lines of that good.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Project);

    fn narrow(filter: &mut ProjectGoodFilter, path: &[&str]) -> bool {
        filter.project = parent(path);
        filter.project.is_some()
    }
}

pub(super) struct Payments;

impl Resource for Payments {
    type Record = Payment;
    const PATH: &'static str = "/projects/{id}/payments";
    const NAMES: (&'static str, &'static str) = ("project_payment", "project_payments");
    const ABOUT: &'static str =
        "The payments of a project. They are in `/payments` too, where each is read by its id.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Project);

    fn filter(query: &mut Query) -> Filter<Self> {
        PaymentFilter::below_a_project(query)
    }

    fn narrow(filter: &mut PaymentFilter, path: &[&str]) -> bool {
        filter.project_id = parent(path);
        filter.project_id.is_some()
    }
}
