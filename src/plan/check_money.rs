//! Money: the reporting currency and the fixed rates into it.

use toml::de::DeValue;

use super::notes::Notes;
use super::raw::Section;
use super::{currencies, scalar};
use crate::model::money::{Currency, Rate};

/// The reporting currency and the sorted rates, itself among them.
pub(super) type Money = (Currency, Vec<(Currency, Rate)>);

/// Reads `currency` and `[rates]`.
pub(super) fn money<'d>(notes: &mut Notes<'_>, top: &Section<'d>) -> Option<Money> {
    const EXPECTED: &str = "the reporting currency, an ISO 4217 code such as \"USD\"";
    let text = top.required(notes, "currency", EXPECTED);
    let currency = text.and_then(known_currency);
    if let (Some(text), None) = (text, currency) {
        let note = top.refuse(notes, "currency", EXPECTED);
        suggest_code(note, text);
    }
    let section = top.table(notes, "rates", false);
    let mut rates: Vec<(Currency, Rate)> = Vec::new();
    for (code, at, value) in section.entries() {
        let Some(rate_currency) = known_currency(code) else {
            let path = section.path_of(&code.chars().take(48).collect::<String>());
            let note =
                notes.error(at, &path, &format!("found {code:.48}")).expected("an ISO 4217 code");
            suggest_code(note, code);
            continue;
        };
        let written = match value.get_ref() {
            DeValue::String(text) => Some(text.as_ref()),
            DeValue::Float(number) => Some(number.as_str()),
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str()),
            _ => None,
        };
        let Some(rate) = written.and_then(scalar::rate) else {
            section
                .refuse(notes, code, "a decimal above 0 with at most 12 digits after the point")
                .hint(format!(
                    "write how many {} one {code} is worth, as in {code} = \"1.08\"",
                    currency.as_ref().map_or("of the reporting currency", Currency::as_str)
                ));
            continue;
        };
        if Some(rate_currency) == currency && rate != Rate::ONE {
            section.refuse(notes, code, "1, as it is the reporting currency").hint("leave it out");
            continue;
        }
        rates.push((rate_currency, rate));
    }
    let currency = currency?;
    if rates.iter().all(|(code, _)| *code != currency) {
        rates.push((currency, Rate::ONE));
    }
    rates.sort_by_key(|(code, _)| *code);
    Some((currency, rates))
}

fn known_currency(code: &str) -> Option<Currency> {
    currencies::CODES.binary_search(&code).ok().and_then(|_| Currency::parse(code))
}

/// Upper case is the usual cure; else the nearest code, else where to look.
fn suggest_code(note: &mut super::Diagnostic, text: &str) {
    let upper = text.trim().to_uppercase();
    let names = [("$", "USD"), ("€", "EUR"), ("£", "GBP"), ("EURO", "EUR"), ("DOLLAR", "USD")];
    let named = names.iter().find(|(name, _)| *name == upper).map(|(_, code)| *code);
    match named {
        Some(code) => note.hint(format!("did you mean `{code}`?")),
        None => note.did_you_mean(&upper, currencies::CODES.iter().copied()),
    };
    if note.hint.is_none() {
        note.hint("take the three-letter code of ISO 4217, in capitals");
    }
}
