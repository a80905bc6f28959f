//! Who hears of an alert through a receiver.

use super::Letter;
use crate::model::registry::Subject;
use crate::plan::{OTHERS, OWNER, Receiver, Receivers, Way};
use crate::rule::definition::Severity;
use crate::wire::alert::AlertWord;

/// For whom a receiver is told of an alert: owners' ids, or empty for the receiver itself. More than one only where they are
/// reached apart from each other, by mail. Empty: it is not told.
#[must_use]
pub fn addressees(word: &AlertWord, receivers: &Receivers, receiver: &Receiver) -> Vec<String> {
    if rank(&word.severity) < Some(receiver.severity_min) {
        return Vec::new();
    }
    let named = |name: &str| word.receivers.iter().any(|other| other == name);
    // what employees do with customers' data is for whom the rule names, and for nobody else
    let of_staff = word.subject_kind == Subject::Employee.name();
    let itself = (receiver.all && !of_staff) || named(&receiver.name);
    let owner = receivers
        .owner(&word.owner_id)
        .filter(|owner| named(OWNER) && !of_staff && owner.to.contains(&receiver.name));
    let owner_id = match word.owner_id.as_str() {
        "" => OTHERS,
        id => id,
    };
    let Way::Email(mail) = &receiver.way else {
        // one place for both: the owner's budget decides
        return match (owner, itself) {
            (Some(_), _) => vec![owner_id.to_owned()],
            (None, true) => vec![String::new()],
            (None, false) => Vec::new(),
        };
    };
    let mut all = Vec::new();
    if owner.is_some_and(|owner| owner.email.is_some()) {
        all.push(owner_id.to_owned());
    }
    // an owner without an address is written to where the receiver itself is
    let instead = owner.is_some_and(|owner| owner.email.is_none());
    if (itself || instead) && !mail.to.is_empty() {
        all.push(String::new());
    }
    all
}

fn rank(name: &str) -> Option<Severity> {
    // a severity that this version does not know is better told than kept quiet
    let found = Severity::ALL.iter().find(|(known, _)| *known == name);
    Some(found.map_or(Severity::Critical, |(_, severity)| *severity))
}

/// Where mail to an addressee goes.
#[must_use]
pub fn addresses<'a>(to: &str, receivers: &'a Receivers, receiver: &'a Receiver) -> Vec<&'a str> {
    let Way::Email(mail) = &receiver.way else { return Vec::new() };
    match receivers.owner(to).and_then(|owner| owner.email.as_deref()).filter(|_| !to.is_empty()) {
        Some(address) => vec![address],
        None => mail.to.iter().map(String::as_str).collect(),
    }
}

/// A letter for each address: what becomes of one (refused, busy) is not what becomes of the others.
#[must_use]
pub fn apart(letter: Letter, receivers: &Receivers, receiver: &Receiver) -> Vec<Letter> {
    match addresses(&letter.to, receivers, receiver).as_slice() {
        [] | [_] => vec![letter],
        all => {
            let to =
                |address: &&str| Letter { address: Some((*address).to_owned()), ..letter.clone() };
            all.iter().map(to).collect()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn of_employees_only_who_is_named_by_the_rule_hears() {
        let text = "[[receiver]]\nname = \"all\"\nkind = \"webhook\"\nall = true\nurl = \"http://a\"\nsecret_file = \"s\"\n\
             [[receiver]]\nname = \"security\"\nkind = \"webhook\"\nurl = \"http://b\"\nsecret_file = \"s\"\n\
             [[owner]]\nid = \"*\"\nto = [\"all\"]\n";
        let receivers = crate::plan::receivers(text).0.unwrap();
        let told = |kind: &str, to: &[&str]| -> Vec<&str> {
            let word = AlertWord {
                subject_kind: kind.to_owned(),
                severity: "critical".to_owned(),
                receivers: to.iter().map(|name| (*name).to_owned()).collect(),
                ..AlertWord::default()
            };
            let hears = |r: &&Receiver| !addressees(&word, &receivers, r).is_empty();
            receivers.receivers.iter().filter(hears).map(|r| r.name.as_str()).collect()
        };
        assert_eq!(told("segment", &["security"]), ["all", "security"]);
        assert_eq!(told("employee", &["security"]), ["security"]);
        assert_eq!(told("employee", &["security", "owner"]), ["security"]);
        assert_eq!(told("customer", &["owner"]), ["all"]);
        assert_eq!(told("employee", &["all"]), ["all"]);
    }
}
