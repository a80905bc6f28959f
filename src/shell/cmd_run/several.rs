//! Several pipelines in one process: who speaks is prepared before who hears it, then all run side by side, with one set of
//! pages. When one ends, all do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::flow::names::Names;
use crate::plan::Plan;
use crate::shell::client::Link;
use crate::shell::generation::{self, Choice, Chosen, GenerationError, current_of};
use crate::shell::observe::Observer;
use crate::shell::runtime::RunError;
use crate::shell::settings::Settings;
use crate::shell::topics;

use super::{CommandError, Definition, Parts, SERVED_LONGEST, observer, pages, run_chosen, until};

/// How often is looked whether a pipeline that is heard has got another generation.
const SPEAKERS_LOOK: Duration = Duration::from_secs(5);

/// A pipeline whose generation is chosen.
struct Ready {
    definition: Definition,
    chosen: Chosen,
    observer: Observer,
}

/// Runs one pipeline until `quit` is set, see [`super::run`].
///
/// # Errors
/// See [`super::run`].
pub async fn run_choice(
    settings: &Settings,
    definition: &Definition,
    choice: Choice,
    parts: Parts,
    quit: Arc<AtomicBool>,
) -> Result<(), CommandError> {
    run_several(settings, std::slice::from_ref(definition), choice, parts, quit).await
}

/// Like [`super::run`], until `quit` is set.
///
/// # Errors
/// See [`super::run`].
pub async fn run_several(
    settings: &Settings,
    definitions: &[Definition],
    choice: Choice,
    parts: Parts,
    quit: Arc<AtomicBool>,
) -> Result<(), CommandError> {
    check(definitions, choice)?;
    // the process keeps to the memory it was given
    let mut settings = settings.clone();
    settings.kafka.memory_budget_bytes /= definitions.len().max(1);
    let mut all = Vec::new();
    for definition in in_order(definitions) {
        all.push(ready(&settings, definition, choice, parts).await?);
    }
    let Some((first, others)) = all.split_first() else {
        return Ok(());
    };
    others.iter().for_each(|other| first.observer.show_beside(&other.observer));
    let plans = all.iter().map(|ready| Arc::clone(&ready.definition.plan)).collect();
    let server = pages(&settings, &first.definition.plan, plans, &first.observer).await?;
    let served = tokio::spawn(server.serve(until(Arc::clone(&quit))));
    let mut running = tokio::task::JoinSet::new();
    for Ready { definition, chosen, observer } in all {
        let (settings, quit) = (settings.clone(), Arc::clone(&quit));
        running.spawn(async move {
            let listening = listen(&settings, &definition.plan, &quit);
            let ended =
                run_chosen(&settings, &definition, chosen, parts, observer, Arc::clone(&quit));
            let ended = ended.await;
            // the others end with it
            quit.store(true, Ordering::SeqCst);
            let replaced = listening.await.ok().flatten();
            ended.and(replaced.map_or(Ok(()), |why| Err(CommandError::Replaced(why))))
        });
    }
    let mut result = Ok(());
    while let Some(ended) = running.join_next().await {
        let panicked = |_| {
            let why = "a pipeline panicked; this is a bug".to_owned();
            Err(CommandError::Run(RunError::Left(why)))
        };
        result = result.and(ended.unwrap_or_else(panicked));
    }
    quit.store(true, Ordering::SeqCst);
    // A page that is still being read does not keep the process.
    let _ = tokio::time::timeout(SERVED_LONGEST, served).await;
    result
}

fn check(definitions: &[Definition], choice: Choice) -> Result<(), CommandError> {
    let mut names = BTreeSet::new();
    for definition in definitions {
        let name = &definition.plan.name;
        if !names.insert(name) {
            return Err(CommandError::Other(format!(
                "two definitions are called {name}: give each a name of its own"
            )));
        }
    }
    if definitions.len() > 1 && choice != Choice::Current {
        return Err(CommandError::Other(
            "a generation and --rebuild belong to one definition: name that one alone, the others run on in a process \
             of their own"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Who speaks before who hears it.
fn in_order(definitions: &[Definition]) -> impl Iterator<Item = &Definition> {
    let hears = |definition: &&Definition| definition.plan.accounts.is_some();
    definitions.iter().filter(move |d| !hears(d)).chain(definitions.iter().filter(hears))
}

/// Finds out what a pipeline hears and which generation of it is meant, and makes its topics: they are what the next one
/// may hear.
async fn ready(
    settings: &Settings,
    definition: &Definition,
    choice: Choice,
    parts: Parts,
) -> Result<Ready, CommandError> {
    let link = Link::from(&settings.kafka);
    let plan = definition.plan.fed_by(|speaker| current_of(&link, speaker))?;
    let definition = Definition { plan: Arc::new(plan), ..definition.clone() };
    let (plan, version) = (&definition.plan, &definition.version);
    let consumes = parts.consumes();
    if consumes {
        has_spoken(&link, plan)?;
    }
    let start = consumes.then_some(settings.kafka.start);
    let mut chosen = generation::choose(&link, plan, version, choice, start).await?;
    if consumes && choice == Choice::Current && hears_another(plan, &chosen) {
        tracing::info!(
            pipeline = plan.name,
            "what is heard has got another generation: accounts are built anew beside the present ones"
        );
        let rebuild = Choice::Rebuild { accept_loss: false };
        chosen = generation::choose(&link, plan, version, rebuild, start).await?;
    }
    if consumes {
        let names = Names::new(&plan.name, chosen.generation);
        topics::prepare(&link, plan, &names).await.map_err(RunError::from)?;
    }
    let observer = observer(settings, plan, chosen.generation, parts)?;
    Ok(Ready { definition, chosen, observer })
}

/// Whoever is heard makes the topic of its words.
fn has_spoken(link: &Link, plan: &Plan) -> Result<(), CommandError> {
    for source in &plan.sources {
        let Some(speaker) = &source.speaker else {
            continue;
        };
        if !topics::is_there(link, &source.topic).map_err(RunError::from)? {
            return Err(CommandError::Other(format!(
                "source topic {} does not exist: pipeline {speaker}, whose words {} hears, has never run; start it first, \
                 or both in one process: retain run FILE FILE",
                source.topic, plan.name
            )));
        }
    }
    Ok(())
}

/// Whether a generation began with words of other generations than those that are current.
fn hears_another(plan: &Plan, chosen: &Chosen) -> bool {
    let Some(began) = &chosen.beginning else {
        return false;
    };
    plan.sources.iter().any(|s| s.speaker.is_some() && !began.contains_key(&s.topic))
}

/// Looks every now and then whether who is heard has got another generation; then `quit` is set, and it says why.
fn listen(
    settings: &Settings,
    plan: &Plan,
    quit: &Arc<AtomicBool>,
) -> tokio::task::JoinHandle<Option<String>> {
    let link = Link::from(&settings.kafka);
    let (plan, quit) = (plan.clone(), Arc::clone(quit));
    tokio::spawn(async move {
        let hears = plan.sources.iter().any(|source| source.speaker.is_some());
        while hears && !quit.load(Ordering::SeqCst) {
            let _ = tokio::time::timeout(SPEAKERS_LOOK, until(Arc::clone(&quit))).await;
            let (asked, link) = (plan.clone(), link.clone());
            let now = tokio::task::spawn_blocking(move || {
                asked.fed_by(|speaker| current_of(&link, speaker))
            });
            // a broker that does not answer is asked again
            let Ok(Ok::<_, GenerationError>(now)) = now.await else {
                continue;
            };
            if now.sources != plan.sources && !quit.swap(true, Ordering::SeqCst) {
                return Some(format!(
                    "what pipeline {} hears has got another generation: start it again, and it is built anew from that",
                    plan.name
                ));
            }
        }
        None
    })
}
