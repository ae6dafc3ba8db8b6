//! The names behind the ids of generated data. The CRM has no endpoint for them; whoever shows them has to be told.

use serde_json::{Map, Value, json};

/// A name for an id.
pub type Name = (u64, &'static str);

/// Sales funnels.
pub const FUNNELS: [Name; 3] =
    [(1, "Лагеря и поездки"), (2, "Корпоративное обучение"), (3, "Оснащение классов")];

/// Stages in the order a project goes through them: id, funnel, name.
pub const STEPS: [(u64, u64, &str); 15] = [
    (1, 1, "Заявка"),
    (2, 1, "Набор группы"),
    (3, 1, "Договор"),
    (4, 1, "Оплата"),
    (5, 1, "Проведено"),
    (6, 2, "Запрос"),
    (7, 2, "Предложение"),
    (8, 2, "Договор подписан"),
    (9, 2, "Идёт обучение"),
    (10, 2, "Завершено"),
    (11, 3, "Замер"),
    (12, 3, "Смета"),
    (13, 3, "Закупка"),
    (14, 3, "Монтаж"),
    (15, 3, "Сдано"),
];

/// Users.
pub const USERS: [Name; 8] = [
    (1, "Администратор Школьный"),
    (2, "Ольга Примерова"),
    (3, "Антон Образцов"),
    (4, "Ирина Выдумкина"),
    (5, "Павел Макетов"),
    (6, "Светлана Условная"),
    (7, "Нина Счётова"),
    (8, "Глеб Тестовский"),
];

/// The user who takes payments.
pub(super) const ACCOUNTANT: u64 = 7;

/// Groups of users.
pub const GROUPS: [Name; 5] =
    [(1, "Продажи"), (2, "Методисты"), (3, "Хозяйственный отдел"), (4, "Бухгалтерия"), (5, "Партнёры")];

/// Currencies.
pub const CURRENCIES: [Name; 3] = [(1, "RUB"), (2, "USD"), (3, "EUR")];

/// Types of events.
pub const ACTION_TYPES: [Name; 5] =
    [(1, "Звонок"), (2, "Встреча"), (3, "Письмо"), (4, "Выезд на площадку"), (5, "Рассылка родителям")];

/// Goods: id, funnel they are sold in, name, price of one in kopecks.
pub const GOODS: [(u64, u64, &str, i64); 15] = [
    (10, 1, "Путёвка, смена 7 дней", 2_890_000),
    (11, 1, "Путёвка, смена 14 дней", 5_490_000),
    (12, 1, "Автобус, день", 1_850_000),
    (13, 1, "Экскурсия", 120_000),
    (14, 1, "Страховка участника", 39_050),
    (20, 2, "Курс на группу, 24 занятия", 14_400_000),
    (21, 2, "Входное тестирование", 90_000),
    (22, 2, "Учебник с доступом", 185_000),
    (23, 2, "Разговорный клуб, месяц", 1_250_000),
    (30, 3, "Парта регулируемая", 745_000),
    (31, 3, "Доска маркерная", 1_290_000),
    (32, 3, "Проектор", 5_490_000),
    (33, 3, "Ноутбук учебный", 4_299_990),
    (34, 3, "Кабель, метр", 8_550),
    (35, 3, "Монтаж, час", 180_000),
];

/// Counterparties, the values of the dynamic field `client_id`.
pub const CLIENTS: [Name; 12] = [
    (1, "ООО «Ромашка-Пример»"),
    (2, "Школа № 0 (вымышл.)"),
    (3, "АО «Образец»"),
    (4, "ИП Примеров (вымышл.)"),
    (5, "ООО «Выдуманные механизмы»"),
    (6, "Гимназия «Макет»"),
    (7, "ООО «Тестовый завод»"),
    (8, "Фонд «Условность»"),
    (9, "Лицей «Набросок»"),
    (10, "ООО «Бумажный змей»"),
    (11, "Детский центр «Небылица»"),
    (12, "АО «Синтетика-Данные»"),
];

/// The name of a counterparty; empty for an unknown one.
pub(super) fn client(id: u64) -> &'static str {
    CLIENTS.iter().find(|(known, _)| *known == id).map_or("", |(_, name)| name)
}

/// All of it: one object per dictionary, each by id. Steps also tell their funnel.
pub fn all() -> Value {
    let steps: Map<String, Value> = STEPS
        .iter()
        .map(|(id, funnel, name)| (id.to_string(), json!({ "sales_funnel_id": funnel, "name": name })))
        .collect();
    let goods = GOODS.map(|(id, _, name, _)| (id, name));
    json!({
        "users": by_id(&USERS),
        "groups": by_id(&GROUPS),
        "sales_funnels": by_id(&FUNNELS),
        "steps": steps,
        "currencies": by_id(&CURRENCIES),
        "action_types": by_id(&ACTION_TYPES),
        "goods": by_id(&goods),
        "clients": by_id(&CLIENTS),
    })
}

fn by_id(names: &[Name]) -> Map<String, Value> {
    names.iter().map(|(id, name)| (id.to_string(), json!(name))).collect()
}
