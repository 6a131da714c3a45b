//! The columns of a segment.

use std::sync::Arc;

use epitaph_crash_model::Fact;
use parquet::{
    basic::{
        Compression, ConvertedType, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel,
    },
    errors::ParquetError,
    file::{
        metadata::{KeyValue, SortingColumn},
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
    },
    schema::types::{ColumnPath, PrimitiveTypeBuilder, Type, TypePtr},
};

use crate::Column;

/// The version of the schema, in the file's metadata. Columns are only ever added.
pub(super) const VERSION: &str = "1";

/// Columns with other types than text.
pub(super) const RECEIVED: &str = "received_at";
pub(super) const OCCURRED: &str = "occurred_at";
pub(super) const WEIGHT: &str = "weight";
pub(super) const SIGNATURE: &str = "signature";
pub(super) const KIND: &str = "kind";
pub(super) const UNREADABLE: &str = "unreadable";
pub(super) const FOREGROUND: &str = "foreground";
pub(super) const UPTIME: &str = "uptime_seconds";
pub(super) const USER: &str = "user";
pub(super) const USER_BYTES: usize = 8;
pub(super) const PROJECT: &str = "project";
pub(super) const CRASH: &str = "crash_id";
/// Tags without a column of their own.
pub(super) const TAGS: &str = "tags";
pub(super) const TAG_NAMES: &str = "tags.key_value.key";
pub(super) const TAG_VALUES: &str = "tags.key_value.value";

/// The columns that hold optional text.
pub(super) const TEXTS: [Column; 20] = [
    Column::Release,
    Column::Platform,
    Column::Environment,
    Column::OsVersion,
    Column::Gpu,
    Column::Device,
    Column::Country,
    Column::Reason,
    Column::Build,
    Column::Branch,
    Column::ResourceVersion,
    Column::Arch,
    Column::GpuDriver,
    Column::MemoryClass,
    Column::Locale,
    Column::Engine,
    Column::Store,
    Column::Level,
    Column::Server,
    Column::Session,
];

/// The place in a fact of one of [`TEXTS`].
pub(super) fn text_mut(fact: &mut Fact, column: Column) -> Option<&mut Option<String>> {
    Some(match column {
        Column::Release => &mut fact.release,
        Column::Platform => &mut fact.platform,
        Column::Environment => &mut fact.environment,
        Column::OsVersion => &mut fact.os_version,
        Column::Gpu => &mut fact.gpu,
        Column::Device => &mut fact.device,
        Column::Country => &mut fact.country,
        Column::Reason => &mut fact.reason,
        Column::Build => &mut fact.build,
        Column::Branch => &mut fact.branch,
        Column::ResourceVersion => &mut fact.resource_version,
        Column::Arch => &mut fact.arch,
        Column::GpuDriver => &mut fact.gpu_driver,
        Column::MemoryClass => &mut fact.memory_class,
        Column::Locale => &mut fact.locale,
        Column::Engine => &mut fact.engine,
        Column::Store => &mut fact.store,
        Column::Level => &mut fact.level,
        Column::Server => &mut fact.server,
        Column::Session => &mut fact.session,
        _ => return None,
    })
}

/// What a fact has in one of [`TEXTS`].
pub(crate) fn text_of(fact: &Fact, column: Column) -> Option<&str> {
    let text = match column {
        Column::Release => &fact.release,
        Column::Platform => &fact.platform,
        Column::Environment => &fact.environment,
        Column::OsVersion => &fact.os_version,
        Column::Gpu => &fact.gpu,
        Column::Device => &fact.device,
        Column::Country => &fact.country,
        Column::Reason => &fact.reason,
        Column::Build => &fact.build,
        Column::Branch => &fact.branch,
        Column::ResourceVersion => &fact.resource_version,
        Column::Arch => &fact.arch,
        Column::GpuDriver => &fact.gpu_driver,
        Column::MemoryClass => &fact.memory_class,
        Column::Locale => &fact.locale,
        Column::Engine => &fact.engine,
        Column::Store => &fact.store,
        Column::Level => &fact.level,
        Column::Server => &fact.server,
        Column::Session => &fact.session,
        _ => return None,
    };
    text.as_deref()
}

/// The 8 bytes of a user's hash; what is no hash is nobody.
pub(crate) fn user_bytes(fact: &Fact) -> Option<[u8; USER_BYTES]> {
    let text = fact.user.as_deref()?;
    let is_hash = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hash.then(|| u64::from_str_radix(text, 16).ok()).flatten()?;
    Some(number.to_be_bytes())
}

/// The column of a tag that many facts have.
pub(super) fn tag_column(name: &str) -> String {
    format!("tag:{name}")
}

fn plain(name: &str, physical: Physical, repetition: Repetition) -> PrimitiveTypeBuilder<'_> {
    Type::primitive_type_builder(name, physical).with_repetition(repetition)
}

fn bytes(name: &str, length: usize, repetition: Repetition) -> PrimitiveTypeBuilder<'_> {
    plain(name, Physical::FIXED_LEN_BYTE_ARRAY, repetition)
        .with_length(i32::try_from(length).unwrap_or_default())
}

fn time(name: &str) -> PrimitiveTypeBuilder<'_> {
    let logical = LogicalType::timestamp(true, TimeUnit::MILLIS);
    plain(name, Physical::INT64, Repetition::REQUIRED).with_logical_type(Some(logical))
}

fn text(name: &str, repetition: Repetition) -> PrimitiveTypeBuilder<'_> {
    plain(name, Physical::BYTE_ARRAY, repetition)
        .with_logical_type(Some(LogicalType::String))
        .with_converted_type(ConvertedType::UTF8)
}

/// What the columns of one file are.
pub(super) struct Layout {
    /// The tags with a column of their own, in the order of the columns.
    pub(super) promoted: Vec<String>,
    /// Whether users come so often that naming each once is shorter.
    pub(super) users_repeat: bool,
}

impl Layout {
    /// The columns, in the order in which they lie in the file: those that questions are mostly about lie together, what
    /// names single crashes comes last.
    pub(super) fn schema(&self) -> Result<TypePtr, ParquetError> {
        let weight = plain(WEIGHT, Physical::INT32, Repetition::REQUIRED);
        let mut fields = vec![
            time(RECEIVED).build()?,
            weight.with_logical_type(Some(LogicalType::integer(32, false))).build()?,
            bytes(SIGNATURE, 16, Repetition::REQUIRED).build()?,
            text(KIND, Repetition::REQUIRED).build()?,
        ];
        for column in TEXTS {
            fields.push(text(column.as_str(), Repetition::OPTIONAL).build()?);
        }
        fields.extend([
            plain(UNREADABLE, Physical::BOOLEAN, Repetition::REQUIRED).build()?,
            plain(FOREGROUND, Physical::BOOLEAN, Repetition::OPTIONAL).build()?,
            plain(UPTIME, Physical::INT64, Repetition::OPTIONAL).build()?,
        ]);
        for name in &self.promoted {
            fields.push(text(&tag_column(name), Repetition::OPTIONAL).build()?);
        }
        let entry =
            Type::group_type_builder("key_value").with_repetition(Repetition::REPEATED).with_fields(vec![
                Arc::new(text("key", Repetition::REQUIRED).build()?),
                Arc::new(text("value", Repetition::REQUIRED).build()?),
            ]);
        let tags = Type::group_type_builder(TAGS)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(LogicalType::Map))
            .with_converted_type(ConvertedType::MAP)
            .with_fields(vec![Arc::new(entry.build()?)]);
        fields.extend([
            tags.build()?,
            bytes(USER, USER_BYTES, Repetition::OPTIONAL).build()?,
            time(OCCURRED).build()?,
            plain(PROJECT, Physical::INT64, Repetition::REQUIRED).build()?,
            bytes(CRASH, 16, Repetition::REQUIRED).with_logical_type(Some(LogicalType::Uuid)).build()?,
        ]);
        let fields = fields.into_iter().map(Arc::new).collect();
        Ok(Arc::new(Type::group_type_builder("fact").with_fields(fields).build()?))
    }

    /// How they are written.
    pub(super) fn properties(&self, page_rows: usize) -> Result<WriterProperties, ParquetError> {
        let path = |name: &str| ColumnPath::from(name);
        let sorted = |index| SortingColumn { column_idx: index, descending: false, nulls_first: false };
        let crash = TEXTS.len() + self.promoted.len() + 12;
        let mut properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .set_created_by("epitaph".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            // Codes of a dictionary are what questions are answered from: no column of text ever goes without.
            .set_dictionary_enabled(true)
            .set_dictionary_page_size_limit(1 << 30)
            .set_data_page_size_limit(64 << 20)
            .set_data_page_row_count_limit(page_rows)
            .set_write_batch_size(page_rows)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_sorting_columns(Some(vec![sorted(0), sorted(i32::try_from(crash).unwrap_or_default())]))
            .set_key_value_metadata(Some(vec![KeyValue::new(
                "epitaph.facts".to_owned(),
                VERSION.to_owned(),
            )]));
        for name in [RECEIVED, OCCURRED, UPTIME] {
            properties = properties
                .set_column_dictionary_enabled(path(name), false)
                .set_column_encoding(path(name), Encoding::DELTA_BINARY_PACKED);
        }
        // Crash ids that follow each other begin alike, which a stronger compression finds. (Of the encodings that make use
        // of it DuckDB reads the one and Polars the other.)
        properties = properties
            .set_column_dictionary_enabled(path(CRASH), false)
            .set_column_encoding(path(CRASH), Encoding::PLAIN)
            .set_column_compression(path(CRASH), Compression::ZSTD(ZstdLevel::try_new(7)?));
        if !self.users_repeat {
            properties = properties
                .set_column_dictionary_enabled(path(USER), false)
                .set_column_encoding(path(USER), Encoding::PLAIN);
        }
        for name in [RECEIVED, CRASH] {
            properties = properties.set_column_statistics_enabled(path(name), EnabledStatistics::Page);
        }
        Ok(properties.build())
    }
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::{CrashId, ProjectId, SignatureId};

    use super::*;

    #[test]
    fn every_text_of_a_fact_is_one_column() {
        let mut fact = Fact::new(CrashId::new(), ProjectId::FIRST, SignatureId::from_bytes([0; 16]));
        for column in TEXTS {
            *text_mut(&mut fact, column).unwrap() = Some(column.to_string());
        }
        for column in TEXTS {
            assert_eq!(text_of(&fact, column), Some(column.as_str()));
        }
    }

    #[test]
    fn the_sorting_columns_are_the_time_of_receipt_and_the_crash() {
        let layout = Layout { promoted: vec!["a".into(), "b".into()], users_repeat: false };
        let schema = parquet::schema::types::SchemaDescriptor::new(layout.schema().unwrap());
        let properties = layout.properties(1024).unwrap();
        let sorted: Vec<String> = properties
            .sorting_columns()
            .unwrap()
            .iter()
            .map(|column| schema.column(usize::try_from(column.column_idx).unwrap()).path().string())
            .collect();
        assert_eq!(sorted, [RECEIVED, CRASH]);
    }
}
