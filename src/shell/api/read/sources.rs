//! Where alerts are read from: each pipeline that evaluates rules has views of its own, and people see one list of all.

use serde::Deserialize;

use crate::api::problem::Problem;
use crate::model::table::Table;
use crate::shell::api::reader::{Param, Params, Reader};

/// How the alerts of each pipeline stand, and what has become of them. The first is there wherever anything is.
const VIEWS: [(&str, &str); 2] =
    [("alerts_now", "alert_history"), ("account_alerts_now", "account_alert_history")];

/// The alerts of every pipeline that has run, as SQL that stands in place of a view.
#[derive(Clone, Debug)]
pub struct AlertSources {
    /// How each alert stands.
    pub now: String,
    /// Every transition.
    pub history: String,
}

#[derive(Deserialize)]
struct View {
    name: String,
}

impl AlertSources {
    /// Those that are there by now.
    ///
    /// # Errors
    /// What ClickHouse refuses.
    pub async fn of(reader: &Reader) -> Result<Self, Problem> {
        let names = VIEWS.iter().flat_map(|(now, history)| [*now, *history]);
        let names = names.map(str::to_owned).collect();
        let params: Params =
            vec![("views", reader.views.as_str().into()), ("names", Param::Texts(names))];
        let sql = "SELECT t.name AS name FROM system.tables AS t \
                   WHERE t.database = {views:String} AND t.name IN {names:Array(String)}";
        let found: Vec<View> = reader.rows(sql, &params).await?;
        let there = |name: &str| found.iter().any(|view| view.name == name);
        Ok(Self::from(&reader.views, there))
    }

    fn from(views: &str, there: impl Fn(&str) -> bool) -> Self {
        let columns = Table::Alerts.columns().iter().filter(|column| column.name != "is_deleted");
        let columns: Vec<String> = columns.map(|column| format!("`{}`", column.name)).collect();
        let columns = columns.join(", ");
        let all = |names: [&str; 2]| {
            let found: Vec<&str> = names.into_iter().filter(|name| there(name)).collect();
            match found.as_slice() {
                // the refusal says that nothing has run yet
                [] => format!("{views}.{}", names[0]),
                [one] => format!("{views}.{one}"),
                several => {
                    let each =
                        several.iter().map(|name| format!("SELECT {columns} FROM {views}.{name}"));
                    format!("({})", each.collect::<Vec<_>>().join(" UNION ALL "))
                }
            }
        };
        Self {
            now: all(VIEWS.map(|(now, _)| now)),
            history: all(VIEWS.map(|(_, history)| history)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_run_is_not_asked() {
        let customers = AlertSources::from("retain", |name| !name.starts_with("account_"));
        assert_eq!(customers.now, "retain.alerts_now");
        assert_eq!(customers.history, "retain.alert_history");
        let accounts = AlertSources::from("retain", |name| name.starts_with("account_"));
        assert_eq!(accounts.now, "retain.account_alerts_now");
        let both = AlertSources::from("retain", |_| true).now;
        assert!(both.starts_with("(SELECT `alert_id`, ") && both.contains(" UNION ALL SELECT "));
        assert!(both.ends_with("FROM retain.account_alerts_now)") && !both.contains("is_deleted"));
        assert_eq!(AlertSources::from("retain", |_| false).now, "retain.alerts_now");
    }
}
