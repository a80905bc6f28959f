//! Every view in every state that matters, by the name of its file.

use retain::api::answer::*;
use retain::api::problem::{Kind, Problem};
use retain::page::{self, Notice, SignIn};

use crate::fixtures::*;

/// Name and HTML of each.
pub fn all() -> Vec<(&'static str, String)> {
    let mut views = with_data();
    views.extend(without_data());
    views.extend(in_trouble());
    views
}

fn with_data() -> Vec<(&'static str, String)> {
    let mut taken = frame("/", &[]);
    taken.notice = Some(Notice { good: true, text: "You have it. The alert shows your name as soon as the pipeline has read it, within seconds.".into() });
    let mut viewer = frame("/", &[]);
    viewer.may_act = false;
    viewer.role = "viewer".into();
    let mut simulated = today(8, 8);
    simulated.standing.simulated = true;
    vec![
        ("today", page::today(&today(8, 8), &frame("/", &[]))),
        ("today-100000", page::today(&today(50, 100_000), &frame("/", &[]))),
        ("today-taken", page::today(&today(8, 8), &taken)),
        ("today-viewer", page::today(&simulated, &viewer)),
        (
            "accounts",
            page::accounts(
                &accounts(50, 100_000),
                &frame("/accounts", &[("risk_from", "0.4"), ("cursor", "x")]),
            ),
        ),
        ("account", page::account(&account(), &frame("/accounts/A-1040", &[]))),
        (
            "customers",
            page::customers(
                &customers(50, 1_000_000),
                &frame("/customers", &[("sort", "loyalty"), ("order", "asc")]),
            ),
        ),
        ("customer", page::customer(&customer(), &frame("/customers/C-20117", &[]))),
        ("marketing", page::marketing(&marketing(), &frame("/marketing", &[]))),
        ("pipeline", page::pipeline(&pipeline(), &frame("/pipeline", &[]))),
        ("alerts", page::alerts(&alerts(), &frame("/alerts", &[("phase", "all")]))),
        ("alert", page::alert(&alert_detail(), &frame("/alerts/9f", &[]))),
        ("sign-in", page::sign_in(&SignIn::default())),
    ]
}

fn without_data() -> Vec<(&'static str, String)> {
    let young = Today::default();
    vec![
        ("today-empty", page::today(&nothing_today(), &frame("/", &[]))),
        ("today-young", page::today(&young, &frame("/", &[]))),
        ("today-filtered", page::today(&nothing_today(), &frame("/", &[("owner", "nobody")]))),
        (
            "accounts-empty",
            page::accounts(
                &Listed { standing: standing(), list: List::default() },
                &frame("/accounts", &[]),
            ),
        ),
        (
            "customers-filtered",
            page::customers(
                &Listed { standing: standing(), list: List::default() },
                &frame("/customers", &[("lifecycle", "lost")]),
            ),
        ),
        (
            "account-empty",
            page::account(
                &Account { standing: standing(), account: account_row(3), ..Account::default() },
                &frame("/accounts/x", &[]),
            ),
        ),
        ("customer-unexplained", page::customer(&unexplained(), &frame("/customers/C-1", &[]))),
        ("marketing-empty", page::marketing(&Marketing::default(), &frame("/marketing", &[]))),
        (
            "marketing-young",
            page::marketing(
                &Marketing { lifecycle: marketing().lifecycle, ..Marketing::default() },
                &frame("/marketing", &[]),
            ),
        ),
        ("pipeline-empty", page::pipeline(&PipelineState::default(), &frame("/pipeline", &[]))),
        (
            "alerts-empty",
            page::alerts(
                &Listed { standing: standing(), list: List::default() },
                &frame("/alerts", &[]),
            ),
        ),
        (
            "alert-empty",
            page::alert(
                &AlertDetail { history: vec![], ..alert_detail() },
                &frame("/alerts/9f", &[]),
            ),
        ),
    ]
}

fn in_trouble() -> Vec<(&'static str, String)> {
    let away = Problem::new(Kind::Unavailable, "ClickHouse does not answer: connection refused");
    vec![
        ("trouble-away", page::trouble(&away, &frame("/", &[("owner", "o7")]))),
        (
            "trouble-missing",
            page::trouble(&Problem::not_found("customer", SCRIPT), &frame("/customers/x", &[])),
        ),
        (
            "trouble-forbidden",
            page::trouble(
                &Problem::new(Kind::Forbidden, "the role viewer may not act on alerts"),
                &frame("/", &[]),
            ),
        ),
        (
            "trouble-signed-out",
            page::trouble_before_sign_in(&Problem::new(
                Kind::Unauthorized,
                "the session has ended",
            )),
        ),
        ("pipeline-broken", page::pipeline(&broken_pipeline(), &frame("/pipeline", &[]))),
        (
            "sign-in-refused",
            page::sign_in(&SignIn {
                back: "/marketing".into(),
                refused: "This token is not known here.".into(),
            }),
        ),
    ]
}
