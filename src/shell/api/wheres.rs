//! Conditions of a question: SQL of ours with parameters for every text of theirs, and where the next page begins.

use serde::Deserialize;

use super::reader::{Param, Params};
use crate::api::answer::List;
use crate::api::cursor::{Key, Position};
use crate::api::filter::{Order, Paging};

/// Conditions that all must hold.
#[derive(Clone, Debug, Default)]
pub struct Where {
    tests: Vec<String>,
    /// Their parameters.
    pub params: Params,
}

impl Where {
    /// A condition without a parameter. `sql` is ours.
    pub fn test(&mut self, sql: impl Into<String>) {
        self.tests.push(sql.into());
    }

    /// A condition that uses `{name:…}`, where there is a value. `sql` and `name` are ours, the value is theirs.
    pub fn with(&mut self, sql: impl Into<String>, name: &'static str, value: Option<Param>) {
        if let Some(value) = value {
            self.tests.push(sql.into());
            self.params.push((name, value));
        }
    }

    /// That a column is a text, where one is asked for.
    pub fn text(&mut self, column: &str, name: &'static str, value: Option<&String>) {
        let value = value.map(|text| Param::Text(text.clone()));
        self.with(format!("{column} = {{{name}:String}}"), name, value);
    }

    /// The conditions as SQL.
    pub fn sql(&self) -> String {
        if self.tests.is_empty() { "1".to_owned() } else { self.tests.join(" AND ") }
    }
}

/// A row with what its list is sorted by.
#[derive(Debug, Deserialize)]
pub struct Sorted<T> {
    #[serde(flatten)]
    row: T,
    sort_key: Key,
    sort_id: String,
}

/// What a list is made of; all of it is SQL of ours.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// The columns of a row.
    pub columns: &'a str,
    /// What it is sorted by.
    pub key: &'a str,
    /// Whether that is a text.
    pub is_text: bool,
    /// The column that names a row.
    pub id: &'a str,
    /// The view with the alias that all these use.
    pub from: &'a str,
}

/// One page of a list: rows with the columns `sort_key` and `sort_id`. Which rows these are is found out with nothing but what the
/// list is sorted and filtered by: all other columns are computed for one page, and not for a million customers.
pub fn page_sql(listing: &Listing<'_>, paging: &Paging, wheres: &mut Where) -> String {
    let Listing { columns, key, is_text, id, from } = listing;
    let (comes, order) = match paging.order {
        Order::Asc => (">", "ASC"),
        Order::Desc => ("<", "DESC"),
    };
    let tests = wheres.sql();
    let after = paging.after.as_ref().map(|Position { key, id }| {
        let (key, kind) = match key {
            Key::Number(number) => (Param::Number(*number), "Int64"),
            Key::Text(text) => (Param::Text(text.clone()), "String"),
        };
        wheres.params.extend([("after_key", key), ("after_id", Param::Text(id.clone()))]);
        format!(
            "WHERE sort_key {comes} {{after_key:{kind}}} \
             OR (sort_key = {{after_key:{kind}}} AND sort_id > {{after_id:String}})"
        )
    });
    // a cursor of another kind of key is refused before: it belongs to another sort
    debug_assert!(
        paging.after.as_ref().is_none_or(|p| matches!(p.key, Key::Text(_)) == *is_text),
        "a cursor's key is of its sort"
    );
    let sorted = format!("ORDER BY sort_key {order}, sort_id ASC");
    format!(
        "SELECT {columns}, {key} AS sort_key, {id} AS sort_id FROM {from} WHERE {id} IN \
         (SELECT sort_id FROM (SELECT {key} AS sort_key, {id} AS sort_id FROM {from} WHERE {tests}) {} {sorted} LIMIT {}) \
         {sorted}",
        after.unwrap_or_default(),
        paging.limit + 1
    )
}

/// The page from its rows, of which there is one too many where more follow.
pub fn page<T>(mut rows: Vec<Sorted<T>>, total: u64, paging: &Paging) -> List<T> {
    let more = rows.len() > paging.limit as usize;
    rows.truncate(paging.limit as usize);
    let next = rows.last().filter(|_| more).map(|last| {
        let last = Position { key: last.sort_key.clone(), id: last.sort_id.clone() };
        last.encode(paging.question)
    });
    List { items: rows.into_iter().map(|sorted| sorted.row).collect(), total, next }
}

/// A number that is not below 0, or nothing, as a whole number that is sorted alike, exactly: the bits of such a number are
/// in the order of the numbers. What is below 0 counts as 0.
pub fn sortable(column: &str) -> String {
    format!(
        "if(isNull({column}), toInt64(-1), \
         toInt64(reinterpretAsUInt64(toFloat64(greatest(assumeNotNull({column}), 0)))))"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn paging(after: Option<Position>) -> Paging {
        Paging { limit: 2, order: Order::Desc, question: 9, after }
    }

    #[test]
    fn no_text_of_theirs_is_part_of_the_question() {
        let hostile = "x' OR 1=1 --".to_owned();
        let mut wheres = Where::default();
        wheres.text("c.owner_id", "owner", Some(&hostile));
        wheres.text("c.region", "region", None);
        assert_eq!(wheres.sql(), "c.owner_id = {owner:String}");
        let after = Some(Position { key: Key::Text(hostile.clone()), id: hostile.clone() });
        let listing =
            Listing { columns: "c.a AS a", key: "c.k", is_text: true, id: "c.id", from: "t AS c" };
        let sql = page_sql(&listing, &paging(after), &mut wheres);
        assert!(!sql.contains("OR 1=1"), "{sql}");
        let texts = wheres.params.iter().filter(|(_, p)| *p == Param::Text(hostile.clone()));
        assert_eq!(texts.count(), 3);
        assert_eq!(Where::default().sql(), "1");
    }

    #[test]
    fn a_page_says_where_the_next_one_begins() {
        let row = |key| Sorted { row: key, sort_key: Key::Number(key), sort_id: key.to_string() };
        let list = page(vec![row(9), row(8), row(7)], 5, &paging(None));
        assert_eq!((list.items, list.total), (vec![9, 8], 5));
        let next = Position::decode(&list.next.unwrap(), 9).unwrap();
        assert_eq!(next, Position { key: Key::Number(8), id: "8".into() });
        assert_eq!(page(vec![row(9), row(8)], 2, &paging(None)).next, None);
        assert_eq!(page::<i64>(Vec::new(), 0, &paging(None)).next, None);
    }
}
