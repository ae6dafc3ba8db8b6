//! Several who change one record.

use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use crate::operations::{setup, student};

#[tokio::test(start_paused = true)]
async fn of_ten_who_have_read_the_same_one_may_change_it() {
    let app = setup().start();
    let path = format!("/students/alfa-{}", student(&app));
    let read = app.owner().get(&path).await.header("etag").to_owned();
    let changes = (0..10).map(|number| {
        let (asker, path) = (app.owner().with("if-match", &read), path.clone());
        async move { asker.send(Method::PATCH, &path, Some(&json!({"note": format!("{number}")}))).await }
    });
    let answers = join_all(changes).await;
    let of = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(200), of(412)), (1, 9));
    let changed = answers.iter().find(|answer| answer.status == 200).unwrap();
    assert_eq!(app.owner().get(&path).await.json["note"], changed.json["note"]);
}
