//! Invented people: names, phones, addresses. Nobody here exists.

use super::dice::Dice;

/// Male and female form.
const SURNAMES: [(&str, &str); 32] = [
    ("Образцов", "Образцова"),
    ("Примеров", "Примерова"),
    ("Выдумкин", "Выдумкина"),
    ("Ёлкин", "Ёлкина"),
    ("Ромашкин", "Ромашкина"),
    ("Берёзкин", "Берёзкина"),
    ("Васильков", "Василькова"),
    ("Гвоздикин", "Гвоздикина"),
    ("Дубравин", "Дубравина"),
    ("Журавушкин", "Журавушкина"),
    ("Звёздочкин", "Звёздочкина"),
    ("Ивушкин", "Ивушкина"),
    ("Калинкин", "Калинкина"),
    ("Лютиков", "Лютикова"),
    ("Малинкин", "Малинкина"),
    ("Небылицын", "Небылицына"),
    ("Орешкин", "Орешкина"),
    ("Пёрышкин", "Пёрышкина"),
    ("Ручейков", "Ручейкова"),
    ("Снежинкин", "Снежинкина"),
    ("Тополев", "Тополева"),
    ("Уголёчков", "Уголёчкова"),
    ("Фантиков", "Фантикова"),
    ("Хвоин", "Хвоина"),
    ("Цветиков", "Цветикова"),
    ("Чижиков", "Чижикова"),
    ("Шишкарёв", "Шишкарёва"),
    ("Щегольков", "Щеголькова"),
    ("Эскизов", "Эскизова"),
    ("Юлин", "Юлина"),
    ("Яблочкин", "Яблочкина"),
    ("Аистов", "Аистова"),
];

const BOYS: [&str; 20] = [
    "Александр",
    "Алексей",
    "Артём",
    "Борис",
    "Вадим",
    "Глеб",
    "Даниил",
    "Егор",
    "Захар",
    "Иван",
    "Кирилл",
    "Лев",
    "Максим",
    "Никита",
    "Олег",
    "Пётр",
    "Роман",
    "Семён",
    "Тимофей",
    "Фёдор",
];

const GIRLS: [&str; 20] = [
    "Алиса",
    "Анна",
    "Варвара",
    "Вера",
    "Дарья",
    "Ева",
    "Екатерина",
    "Елена",
    "Злата",
    "Ирина",
    "Кира",
    "Мария",
    "Надежда",
    "Ольга",
    "Полина",
    "Раиса",
    "Софья",
    "Таисия",
    "Ульяна",
    "Юлия",
];

/// A name with what follows from it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// `Образцов Пётр`
    pub(super) full: String,
    /// A parent of the same family.
    pub(super) parent: String,
    pub(super) female: bool,
}

/// Draws a name.
pub(super) fn person(dice: &mut Dice) -> Named {
    let (his, hers) = *dice.pick(&SURNAMES);
    let female = dice.percent(50);
    let (surname, first) = if female { (hers, *dice.pick(&GIRLS)) } else { (his, *dice.pick(&BOYS)) };
    let parent = if dice.percent(70) {
        format!("{hers} {}", dice.pick(&GIRLS))
    } else {
        format!("{his} {}", dice.pick(&BOYS))
    };
    Named { full: format!("{surname} {first}"), parent, female }
}

/// The phone of this number, as the CRM formats it or as somebody typed it.
pub(super) fn phone(number: usize, raw: bool) -> String {
    let (a, b, c) = (number / 10_000 % 1_000, number / 100 % 100, number % 100);
    if raw { format!("+7900{a:03}{b:02}{c:02}") } else { format!("+7(900){a:03}-{b:02}-{c:02}") }
}
