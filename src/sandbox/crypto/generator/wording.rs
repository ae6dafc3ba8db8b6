//! The words invented records are made of.

use super::dictionary::client;
use super::plan::Project;

const SUBJECTS: [&str; 6] =
    ["английского", "робототехники", "математики", "физики", "программирования", "китайского"];
const CAMPS: [&str; 5] = ["Полярная звезда", "Река времени", "Город мастеров", "Лесная школа", "Космодром"];
const CITIES: [&str; 5] = ["Казань", "Суздаль", "Калининград", "Псков", "Великий Новгород"];
pub(super) const COMMENTS: [&str; 8] = [
    "Уточнили состав группы",
    "Отправлено предложение",
    "Просят перенести даты на неделю",
    "Согласована смета",
    "Не дозвонились, повторить завтра",
    "Родительское собрание проведено",
    "Ждём подписанный договор",
    "Осмотр площадки, замечаний нет",
];
pub(super) const CHECKLISTS: [&str; 4] = ["Подготовка", "Документы", "Закупки", "После проекта"];
pub(super) const ITEMS: [&str; 8] = [
    "Собрать согласия родителей",
    "Заказать автобус",
    "Подписать договор",
    "Выставить счёт",
    "Проверить оборудование",
    "Утвердить программу",
    "Оформить страховки",
    "Отправить акт",
];
pub(super) const PAYMENTS: [&str; 4] = ["Аванс", "Оплата по счёту", "Доплата", "Окончательный расчёт"];
pub(super) const EXPENSES: [&str; 3] = ["Возврат участнику", "Транспорт", "Расходные материалы"];
pub(super) const TASKS: [&str; 3] = ["Перезвонить", "Подготовить счёт", "Согласовать даты"];
pub(super) const NOTES: [&str; 3] = ["Въезд со двора", "Звонить после 14:00", "Нужен второй вожатый"];

/// What a project is called.
pub(super) fn project_name(plan: &Project) -> String {
    let title = plan.title;
    let payer = plan.client.map_or("частные лица", client);
    match plan.funnel {
        1 if title % 2 == 0 => {
            let shift = 1 + title % 4;
            format!("Лагерь «{}», смена {shift}", chosen(&CAMPS, title / 2))
        }
        1 => format!("Поездка: {}, {} класс", chosen(&CITIES, title), 5 + title % 6),
        2 => format!("Курс {}, {payer}", chosen(&SUBJECTS, title)),
        _ => format!("Кабинет {}, {payer}", chosen(&SUBJECTS, title)),
    }
}

/// One of several, the same one for the same number.
pub(super) fn chosen<'t>(several: &[&'t str], number: i64) -> &'t str {
    let number = usize::try_from(number).unwrap_or(0);
    several[number % several.len()]
}
