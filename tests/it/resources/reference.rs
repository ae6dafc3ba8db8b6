//! Reference books.

use super::{every_filter, school, snapshot};
use crate::support::app::ids;

#[tokio::test(start_paused = true)]
async fn the_branches_are_a_book() {
    let app = school();
    let all = app.owner().walk("/reference/branches").await;
    assert_eq!(all.len(), app.alfa.count("branch"));
    snapshot("reference_branches", &all.into(), &[]);
}

#[tokio::test(start_paused = true)]
async fn it_has_no_filter_without_a_test() {
    let app = school();
    let all = app.owner().walk("/reference/branches").await;
    every_filter(&app, "/reference/{book}", &[], &all, Vec::new(), &[]).await;
}

#[tokio::test(start_paused = true)]
async fn who_may_see_one_branch_sees_its_entry_only() {
    let app = school();
    assert_eq!(ids(&app.branch_one().walk("/reference/branches").await), ["alfa-1"]);
    assert_eq!(ids(&app.owner().walk("/reference/branches?branch_id=alfa-2").await), ["alfa-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_book_that_is_not_there_is_no_path() {
    let app = school();
    for path in ["/reference/shoes", "/reference", "/reference/branches/alfa-1"] {
        let answer = app.owner().get(path).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{path}");
    }
}
