//! Partial answers: of segments, of spans of segments, and of facts in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use epitaph_crash_model::{Fact, ProjectId, Timestamp};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Effort, Engine, Shared, Snapshot,
    cache::Unfinished,
    group::{self, Shape},
    is_of,
    merge::{Merge, Stream},
    partial::{Partial, PartialWriter, made_of},
    select::Test,
    spans::{name_of, spans},
};
use crate::{
    FactsError, Filter, Period,
    segment::{Field, GROUP_ROWS, RowGroup, Rows, Segment, Table},
};

/// How many segments are read at once, and how many spans.
const SEGMENTS: usize = 16;
const SPANS: usize = 8;
/// From up to so many segments an answer is made without their spans when any of them was not counted before: a question
/// that is asked once need not wait for what serves it when it is asked again.
const UNITED_LATER: usize = 64;
/// Changes when partial answers of before are of no use.
const FORMAT: &str = "1";

/// Which facts are counted, and how.
pub(super) struct Selection {
    pub(super) engine: Engine,
    pub(super) projects: BTreeSet<ProjectId>,
    pub(super) period: Period,
    pub(super) filter: Filter,
    pub(super) shape: Arc<Shape>,
}

/// A filter as it is asked of one project's facts.
#[derive(Clone)]
struct Asked {
    test: Arc<Test>,
    /// Names the filter and the shape.
    name: Arc<str>,
}

impl Selection {
    fn asked(&self, project: ProjectId, snapshot: &Snapshot) -> Asked {
        let filter = snapshot.signatures.resolve(project, &self.filter);
        let told = serde_json::to_string(&(FORMAT, &filter, &*self.shape)).unwrap_or_default();
        Asked { test: Arc::new(Test::of(&filter)), name: name_of([told]).into() }
    }

    pub(super) async fn of_segments(
        &self,
        snapshot: &Snapshot,
        effort: &Effort,
    ) -> Result<Vec<Partial>, FactsError> {
        let mut segments: Vec<&Segment> =
            snapshot.segments.iter().filter(|segment| self.touches(segment)).collect();
        segments.sort_by_key(|segment| (segment.project, segment.first_received, &segment.name));
        effort.segments.fetch_add(segments.len() as u64, Ordering::Relaxed);
        let mut asked: HashMap<ProjectId, Asked> = HashMap::new();
        for segment in &segments {
            asked.entry(segment.project).or_insert_with(|| self.asked(segment.project, snapshot));
        }
        let later = segments.len() <= UNITED_LATER;
        let (whole, cut): (Vec<&Segment>, Vec<&Segment>) =
            segments.into_iter().partition(|segment| self.covers(segment));
        let mut groups = spans(&whole);
        groups.extend(cut.into_iter().map(|segment| vec![segment]));
        let asked = &asked;
        let of_span = |span: Vec<&Segment>| {
            let span: Vec<Arc<Segment>> = span.into_iter().map(|segment| Arc::new(segment.clone())).collect();
            async move {
                match span.first().and_then(|first| asked.get(&first.project)) {
                    Some(asked) => self.of_span(span, asked, later, effort).await,
                    None => Ok(Vec::new()),
                }
            }
        };
        let found: Vec<Vec<Partial>> =
            stream::iter(groups.into_iter().map(of_span)).buffer_unordered(SPANS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Whether a segment may hold facts that count.
    pub(super) fn touches(&self, segment: &Segment) -> bool {
        touches(&self.projects, self.period, segment)
    }

    /// Whether all facts of a segment lie in the period.
    fn covers(&self, segment: &Segment) -> bool {
        self.period.contains(segment.first_received) && self.period.contains(segment.last_received)
    }

    async fn of_span(
        &self,
        span: Vec<Arc<Segment>>,
        asked: &Asked,
        later: bool,
        effort: &Effort,
    ) -> Result<Vec<Partial>, FactsError> {
        if let [segment] = span.as_slice() {
            return Ok(vec![self.of_segment(segment, asked, effort).await?.0]);
        }
        let cache = &self.engine.shared.cache;
        let names = name_of(span.iter().map(|segment| segment.name.as_str()));
        let name = format!("{}-{names}", asked.name);
        if let Some(found) = cache.get(&name) {
            effort.cached.fetch_add(span.len() as u64, Ordering::Relaxed);
            return Ok(vec![found]);
        }
        let partials: Vec<(Partial, bool)> =
            stream::iter(span.iter().map(|segment| self.of_segment(segment, asked, effort)))
                .buffered(SEGMENTS)
                .try_collect()
                .await?;
        let is_new = partials.iter().any(|(_, is_new)| *is_new);
        let partials: Vec<Partial> = partials.into_iter().map(|(partial, _)| partial).collect();
        if is_new && later {
            return Ok(partials);
        }
        let cache = Arc::clone(cache);
        let united = self
            .engine
            .compute(move || {
                let unfinished = cache.begin();
                let mut writer = unfinished.writer()?;
                made_of(&partials, unite(&partials, &mut writer))?;
                writer.finish()?;
                cache.keep(&unfinished, &name)
            })
            .await?;
        Ok(vec![united])
    }

    /// The partial answer of a segment, and whether it was made now.
    async fn of_segment(
        &self,
        segment: &Arc<Segment>,
        asked: &Asked,
        effort: &Effort,
    ) -> Result<(Partial, bool), FactsError> {
        let cache = &self.engine.shared.cache;
        let cut = if self.covers(segment) {
            String::new()
        } else {
            let edge = |edge: Option<Timestamp>| edge.map_or(String::new(), |edge| edge.to_string());
            name_of([edge(self.period.from), edge(self.period.until)])
        };
        let name = format!("{}-{}", asked.name, name_of([segment.name.as_str(), &cut]));
        if let Some(found) = cache.get(&name) {
            effort.cached.fetch_add(1, Ordering::Relaxed);
            return Ok((found, false));
        }
        let footer = self.engine.footer(segment).await?;
        let groups = (0..footer.groups()).map(|number| RowGroup {
            segment: Arc::clone(segment),
            footer: Arc::clone(&footer),
            number,
        });
        let counted = groups.map(|group| self.of_group(group, asked, effort));
        let partials: Vec<Option<Counted>> = stream::iter(counted).buffered(SEGMENTS).try_collect().await?;
        let cache = Arc::clone(cache);
        let made = self
            .engine
            .compute(move || {
                let partials: Vec<Partial> =
                    partials.iter().flatten().map(Counted::partial).collect::<Result<_, _>>()?;
                let unfinished = cache.begin();
                let mut writer = unfinished.writer()?;
                made_of(&partials, unite(&partials, &mut writer))?;
                writer.finish()?;
                cache.keep(&unfinished, &name)
            })
            .await?;
        Ok((made, true))
    }

    async fn of_group(
        &self,
        group: RowGroup,
        asked: &Asked,
        effort: &Effort,
    ) -> Result<Option<Counted>, FactsError> {
        effort.rows.fetch_add(group.rows() as u64, Ordering::Relaxed);
        let Some(asked_of) = asked_of(&group, &asked.test, self.period) else { return Ok(None) };
        let mut fields = self.shape.fields();
        // For all of it, and at once: what the filter was asked of is held while the rest waits to be fetched and counted,
        // and many row groups wait.
        let _room = self.engine.room(group.memory(asked_of.union(&fields))).await?;
        let (mut table, rows) =
            self.engine.select_of(&group, &asked.test, self.period, asked_of, effort).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        table.keep(&fields);
        fields.retain(|field| !table.has(field));
        let fetched = group.fetch(&self.engine.shared.bucket, &fields, &rows).await?;
        effort.bytes.fetch_add(fetched.bytes, Ordering::Relaxed);
        let (shape, engine) = (Arc::clone(&self.shape), self.engine.clone());
        let count = move || {
            group.decode(&fetched, &fields, &rows, &mut table)?;
            count(&table, &rows, &shape, &engine.shared).map(Some)
        };
        self.engine.compute(count).await
    }

    /// Of the facts that are in no segment.
    pub(super) async fn of_recent(
        &self,
        snapshot: &Snapshot,
        effort: &Effort,
    ) -> Result<Vec<Partial>, FactsError> {
        let projects: BTreeSet<ProjectId> = snapshot
            .recent
            .iter()
            .map(|fact| fact.project)
            .filter(|project| is_of(&self.projects, *project))
            .collect();
        if projects.is_empty() {
            return Ok(Vec::new());
        }
        let asked: BTreeMap<ProjectId, Asked> =
            projects.into_iter().map(|project| (project, self.asked(project, snapshot))).collect();
        effort.rows.fetch_add(snapshot.recent.len() as u64, Ordering::Relaxed);
        let (recent, shape, period) = (Arc::clone(&snapshot.recent), Arc::clone(&self.shape), self.period);
        let engine = self.engine.clone();
        self.engine
            .compute(move || {
                let mut partials = Vec::new();
                for (project, asked) in asked {
                    let mut facts: Vec<&Fact> = recent
                        .iter()
                        .map(Arc::as_ref)
                        .filter(|fact| fact.project == project && period.contains(fact.received_at))
                        .collect();
                    facts.sort_by_key(|fact| fact.received_at);
                    let fields: BTreeSet<Field> =
                        shape.fields().union(&asked.test.fields()).cloned().collect();
                    for facts in facts.chunks(GROUP_ROWS) {
                        let table = Table::of_facts(facts, &fields);
                        let rows = asked.test.rows(&table);
                        if !rows.is_empty() {
                            partials.push(count(&table, &rows, &shape, &engine.shared)?.partial()?);
                        }
                    }
                }
                Ok(partials)
            })
            .await
    }
}

pub(super) fn touches(projects: &BTreeSet<ProjectId>, period: Period, segment: &Segment) -> bool {
    is_of(projects, segment.project)
        && period.from.is_none_or(|from| segment.last_received >= from)
        && period.until.is_none_or(|until| segment.first_received < until)
}

impl Engine {
    /// The rows of a row group that count, and what was read to tell; where there may be any, `also` was read with it.
    pub(super) async fn select(
        &self,
        group: &RowGroup,
        test: &Arc<Test>,
        period: Period,
        also: Option<Field>,
        effort: &Effort,
    ) -> Result<(Table, Rows), FactsError> {
        let Some(mut fields) = asked_of(group, test, period) else {
            return Ok((Table::new(group.rows()), Rows::none(group.rows())));
        };
        fields.extend(also);
        let _room = self.room(group.memory(&fields)).await?;
        self.select_of(group, test, period, fields, effort).await
    }

    /// As [`Engine::select`], from these fields; there is [room](Engine::room) for them.
    async fn select_of(
        &self,
        group: &RowGroup,
        test: &Arc<Test>,
        period: Period,
        fields: BTreeSet<Field>,
        effort: &Effort,
    ) -> Result<(Table, Rows), FactsError> {
        let all = Rows::all(group.rows());
        let mut table = Table::new(group.rows());
        if fields.is_empty() {
            let rows = test.rows(&table);
            return Ok((table, rows));
        }
        let fetched = group.fetch(&self.shared.bucket, &fields, &all).await?;
        effort.bytes.fetch_add(fetched.bytes, Ordering::Relaxed);
        let (group, test) = (group.clone(), Arc::clone(test));
        self.compute(move || {
            group.decode(&fetched, &fields, &all, &mut table)?;
            let mut rows = test.rows(&table);
            if fields.contains(&Field::Received) {
                let received = table.received();
                let before = |edge: Option<Timestamp>, otherwise| {
                    edge.map_or(otherwise, |edge| {
                        received.partition_point(|moment| *moment < edge.as_millis())
                    })
                };
                let within = before(period.from, 0)..before(period.until, received.len());
                rows = rows.and(&Rows::range(table.rows, within));
            }
            Ok((table, rows))
        })
        .await
    }

    /// Waits until so many bytes may be held. They may as long as this is. Whoever holds some waits for no more: two that
    /// do would wait for each other.
    async fn room(&self, bytes: u64) -> Result<tokio::sync::SemaphorePermit<'_>, FactsError> {
        let wanted = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).clamp(1, self.shared.most_held);
        self.shared.holding.acquire_many(wanted).await.map_err(|_| FactsError::Stopped)
    }
}

/// What must be read of a row group to tell which of its rows count; `None` where none does.
fn asked_of(group: &RowGroup, test: &Test, period: Period) -> Option<BTreeSet<Field>> {
    let (inside, outside) = match group.footer.received(group.number) {
        Some((first, last)) => {
            let (first, last) = (Timestamp::from_millis(first), Timestamp::from_millis(last));
            (
                period.contains(first) && period.contains(last),
                period.from.is_some_and(|from| last < from)
                    || period.until.is_some_and(|until| first >= until),
            )
        }
        None => (period == Period::ALWAYS, false),
    };
    if outside || test.excludes(group) {
        return None;
    }
    let mut fields = test.fields();
    fields.extend((!inside).then_some(Field::Received));
    Some(fields)
}

/// The counts of one table: in memory as long as there is room for them, else on disk.
enum Counted {
    Memory { bytes: Bytes, _room: OwnedSemaphorePermit },
    Disk(Unfinished),
}

impl Counted {
    fn partial(&self) -> Result<Partial, FactsError> {
        match self {
            Counted::Memory { bytes, .. } => Partial::in_memory(bytes.clone()),
            Counted::Disk(unfinished) => unfinished.open(),
        }
    }
}

fn count(table: &Table, rows: &Rows, shape: &Shape, shared: &Shared) -> Result<Counted, FactsError> {
    let mut writer = PartialWriter::new(Vec::with_capacity(shape.expected_bytes(rows.count())))?;
    group::write(table, rows, shape, &mut writer)?;
    let mut bytes = writer.finish()?;
    bytes.shrink_to_fit();
    let kib = u32::try_from(bytes.capacity().div_ceil(1 << 10)).unwrap_or(u32::MAX);
    // Nobody waits for this room: whoever has some keeps it until other row groups are counted.
    match Arc::clone(&shared.counted).try_acquire_many_owned(kib) {
        Ok(room) => Ok(Counted::Memory { bytes: bytes.into(), _room: room }),
        Err(_) => {
            let unfinished = shared.cache.begin();
            unfinished.write(&bytes)?;
            Ok(Counted::Disk(unfinished))
        }
    }
}

/// Writes what several partial answers say as one.
fn unite<W: std::io::Write>(partials: &[Partial], writer: &mut PartialWriter<W>) -> Result<(), FactsError> {
    for entry in Merge::new(partials.iter().map(|partial| Box::new(partial.rows()) as Stream).collect()) {
        writer.push(&entry?)?;
    }
    writer.begin_parts()?;
    for entry in Merge::new(partials.iter().map(|partial| Box::new(partial.parts(None)) as Stream).collect())
    {
        writer.push(&entry?)?;
    }
    Ok(())
}
