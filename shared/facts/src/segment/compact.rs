//! Several segments into one.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::Arc,
};

use epitaph_bucket::Bucket;
use epitaph_crash_model::{CrashId, Fact, SignatureId, Timestamp};

use super::{FactRows, Footer, RowGroup, Rows, Segment, SegmentWriter};
use crate::{FactsError, engine::read_footer};

/// Writes the facts of segments of one project in their order. Of each segment one row group is in memory at a time, and
/// only while the time that is being written lies in it: segments that follow each other cost no more than one.
///
/// # Errors
/// [`FactsError::Bucket`], [`FactsError::Segment`], [`FactsError::Write`]; [`FactsError::OutOfOrder`] where a fact is in
/// two of them, or one is of another project.
pub async fn compact(
    bucket: &Bucket,
    segments: &[Segment],
    writer: &mut SegmentWriter,
) -> Result<(), FactsError> {
    compact_signed(bucket, segments, &HashMap::new(), writer).await
}

/// As [`compact`], and gives some crashes other signatures.
///
/// # Errors
/// As [`compact`].
pub async fn compact_signed(
    bucket: &Bucket,
    segments: &[Segment],
    signatures: &HashMap<CrashId, SignatureId>,
    writer: &mut SegmentWriter,
) -> Result<(), FactsError> {
    let mut sources = Vec::new();
    let mut next = BinaryHeap::new();
    for segment in segments {
        let source = Source::new(bucket, segment);
        // Not read before its time comes.
        next.push(Reverse((segment.first_received, None, sources.len())));
        sources.push(source);
    }
    while let Some(Reverse((_, place, number))) = next.pop() {
        let Some(source) = sources.get_mut(number) else { continue };
        if place.is_some() {
            source.write(signatures, writer)?;
        }
        if let Some((received, crash)) = source.place().await? {
            next.push(Reverse((received, Some(crash), number)));
        }
    }
    Ok(())
}

struct Source<'a> {
    bucket: &'a Bucket,
    segment: Arc<Segment>,
    footer: Option<Arc<Footer>>,
    group: usize,
    rows: Option<(FactRows, VecDeque<u32>)>,
    next: Option<Fact>,
}

impl<'a> Source<'a> {
    fn new(bucket: &'a Bucket, segment: &Segment) -> Self {
        let segment = Arc::new(segment.clone());
        Self { bucket, segment, footer: None, group: 0, rows: None, next: None }
    }

    /// Where the next fact belongs.
    async fn place(&mut self) -> Result<Option<(Timestamp, CrashId)>, FactsError> {
        while self.next.is_none() {
            let next = self.rows.as_mut().and_then(|(facts, rows)| Some((facts, rows.pop_front()?)));
            if let Some((facts, row)) = next {
                let wrong = || FactsError::of_segment(&self.segment.name, "a row is no fact");
                self.next = Some(facts.fact(row as usize).ok_or_else(wrong)?);
                continue;
            }
            // Before the next row group is read, so that there is only one in memory.
            self.rows = None;
            if !self.load().await? {
                return Ok(None);
            }
        }
        Ok(self.next.as_ref().map(|fact| (fact.received_at, fact.crash_id)))
    }

    fn write(
        &mut self,
        signatures: &HashMap<CrashId, SignatureId>,
        writer: &mut SegmentWriter,
    ) -> Result<(), FactsError> {
        let Some(mut fact) = self.next.take() else { return Ok(()) };
        if let Some(signature) = signatures.get(&fact.crash_id) {
            fact.signature = *signature;
        }
        writer.push(&fact)
    }

    async fn load(&mut self) -> Result<bool, FactsError> {
        let footer = match &self.footer {
            Some(footer) => Arc::clone(footer),
            None => Arc::clone(self.footer.insert(Arc::new(read_footer(self.bucket, &self.segment).await?))),
        };
        if self.group == footer.groups() {
            return Ok(false);
        }
        let group = RowGroup { segment: Arc::clone(&self.segment), footer, number: self.group };
        let rows = Rows::all(group.rows());
        self.rows = Some((group.facts(self.bucket, &rows).await?, rows.list().into()));
        self.group += 1;
        Ok(true)
    }
}
