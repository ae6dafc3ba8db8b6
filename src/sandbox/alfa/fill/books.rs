//! The reference books every account has: statuses, sources, reasons, types, articles, users.

use super::blank;
use crate::sandbox::alfa::schema::Model;
use crate::sandbox::alfa::store::Store;

/// A plain reference book.
pub(super) fn book(store: &mut Store, model: Model, names: &[(u64, &'static str)]) {
    let weight = if model.spec().find("weight").is_some() { Some("weight") } else { None };
    let rows = names.iter().zip(1_i64..).map(|((id, name), place)| {
        let mut row = blank(model, *id).with("name", *name);
        if let Some(column) = weight {
            row.set(column, place.into());
        }
        row
    });
    store.table_mut(model).load(rows.collect());
}

pub(super) fn books(store: &mut Store) {
    book(store, Model::StudyStatus, &[(1, "Без статуса"), (4, "Занимается"), (10, "Завершил обучение")]);
    book(
        store,
        Model::LeadStatus,
        &[
            (1, "Новый лид"),
            (2, "Записан на пробное"),
            (3, "Пришёл на пробное"),
            (4, "Оплатил"),
            (5, "Отказался"),
        ],
    );
    book(store, Model::LeadSource, &[(2, "Рекомендация"), (5, "Сайт")]);
    store.set(Model::LeadSource, 2, "code", "recommend".into());
    store.set(Model::LeadSource, 5, "code", "site".into());
    book(store, Model::LeadReject, &[(6, "Не отвечает"), (7, "Дорого")]);
    book(store, Model::CustomerReject, &[(1, "Переезд"), (3, "Неудобное расписание")]);
    book(store, Model::Pipeline, &[(1, "Основная воронка")]);
    book(store, Model::Level, &[(1, "A1"), (2, "A2")]);
    book(store, Model::Company, &[(1, "ООО Пример")]);
    book(store, Model::Streaming, &[(1, "Видеокласс")]);
    book(store, Model::PayType, &[(1, "Доход"), (2, "Расход")]);
    book(store, Model::PayItemCategory, &[(1, "Доходы"), (2, "Расходы")]);
    let types = [(1, "Индивидуальный", 1, "user"), (2, "Групповой", 2, "users"), (3, "Пробный", 1, "star")];
    let types = types.map(|(id, name, kind, icon)| {
        blank(Model::LessonType, id).with("name", name).with("type", kind).with("icon", icon).with("sort", id)
    });
    store.table_mut(Model::LessonType).load(types.into());
    let users = [
        (1, "Администратор Примерова", "admin@school.example", 901),
        (2, "Робот API", "api@school.example", 902),
        (3, "Менеджер Образцов", "manager@school.example", 903),
    ];
    let users = users.map(|(id, name, email, phone)| {
        blank(Model::User, id)
            .with("name", name)
            .with("email", email)
            .with("phone", format!("+7(900)000-0{}-{:02}", phone / 100, phone % 100))
    });
    store.table_mut(Model::User).load(users.into());
    let items =
        [(3, 1, 1, "Оплата обучения"), (8, 2, 2, "Аренда"), (9, 2, 2, "Зарплата"), (10, 2, 2, "Возврат")];
    let items = items.map(|(id, category, kind, name)| {
        blank(Model::PayItem, id)
            .with("branch_ids", vec![1_u64, 2, 3])
            .with("category_id", category)
            .with("pay_type_ids", vec![kind])
            .with("name", name)
            .with("weight", id)
    });
    store.table_mut(Model::PayItem).load(items.into());
}
