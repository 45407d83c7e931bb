// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/reading.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "partition/import/column_choice.hpp"
#include "partition/import/format_guess.hpp"
#include "partition/import/id_names.hpp"
#include "partition/import/input.hpp"
#include "partition/import/ntriples_reader.hpp"
#include "partition/import/rdf_reader.hpp"

#include <optional>

namespace tessera::partition {
namespace {

std::uint64_t total_bytes(const std::vector<InputFile>& files) {
  std::uint64_t total = 0;
  for (const InputFile& file : files) {
    if (file.bytes == 0) return 0;  // a pipe: the end is unknown
    total += file.bytes;
  }
  return total;
}

class Reading {
 public:
  Reading(const ImportOptions& options, const InputList& list)
      : options_(options), list_(list), collector_(options, total_bytes(list.files)) {
    if (!list.entity_names.empty()) entity_names_.emplace(list.entity_names, list.ids_first);
    if (!list.relation_names.empty()) relation_names_.emplace(list.relation_names, list.ids_first);
  }

  void name_synsets() {
    for (const InputFile& file : list_.files) {
      if (!file.wordnet) continue;
      const WordNetPart part = *wordnet_part(file.path);
      Input data = Input::open(file.path);
      LineReader data_lines(data, options_.longest_line_bytes);
      synsets_.add_data(data_lines, part);
      Input index = Input::open(wordnet_index(file.path));
      LineReader index_lines(index, options_.longest_line_bytes);
      synsets_.add_index(index_lines, part);
      remember(index, index_lines.lines());
    }
    synsets_.finish();
  }

  void read(std::size_t index) {
    const InputFile& file = list_.files[index];
    Input input = Input::open(file.path);
    LineReader lines(input, options_.longest_line_bytes);
    collector_.begin_file(input, file.split);
    std::uint64_t rdf_lines = 0;
    switch (const InputFormat format = format_of(file, lines)) {
      case InputFormat::kWordNet: wordnet_.read(lines, *wordnet_part(file.path), collector_); break;
      case InputFormat::kText: read_columns(lines, file); break;
      case InputFormat::kNTriples:
      case InputFormat::kNQuads: read_statements(lines, index, format); break;
      default: rdf_lines = read_graph(input, lines, index, format); break;
    }
    collector_.end_file();
    remember(input, lines.lines() + rdf_lines);
  }

  ReadInputs finish() {
    ReadInputs all{collector_.finish(), std::move(sources_)};
    ImportCounts& counts = all.collected.counts;
    for (const graph::SourceFile& source : all.sources) counts.lines += source.lines;
    counts.dangling_pointers = wordnet_.dangling();
    if (counts.dangling_pointers > 0)
      log::warning("{} WordNet pointers lead to data files that were not given",
                   text::with_thousands(counts.dangling_pointers));
    if (all.collected.splits.front().size() == 0) fail(ExitStatus::kBadData, "the input holds no triples for train");
    return all;
  }

 private:
  InputFormat format_of(const InputFile& file, LineReader& lines) const {
    if (file.wordnet) return InputFormat::kWordNet;
    if (file.content == TextFormat::Content::kNodes) return InputFormat::kText;
    if (options_.format == InputFormat::kAuto) {
      const bool asks_columns = options_.triple_columns.given() || !options_.triple_columns.relation_name.empty();
      if (file.columns != nullptr || (asks_columns && file.content == TextFormat::Content::kTriples))
        return InputFormat::kText;
      return guess_format(file.path, lines.sample());
    }
    const bool is_wordnet = options_.format == InputFormat::kWordNet;  // its files are told by their names
    return is_wordnet ? InputFormat::kText : options_.format;
  }

  void read_columns(LineReader& lines, const InputFile& file) {
    ImportOptions options = options_;
    if (file.columns != nullptr && options.columns.empty()) options.columns = file.columns;
    if (file.split != graph::Split::kTrain) options.triple_columns.weight.clear();  // it is of training triples
    const std::string& name = lines.input().name();
    const ColumnChoice choice = choose_columns(options, file.content, name, lines.sample());
    collector_.hint(choice.hint);
    if (choice.may_have_header) collector_.suspect_header();
    log::info("{}: {}, {}", name, lines.input().encoding(), choice.description);
    const std::uint64_t before = collector_.triples();
    const bool has_ids = file.content == TextFormat::Content::kTriples && (entity_names_ || relation_names_);
    NamingSink naming(entity_names_ ? &*entity_names_ : nullptr, relation_names_ ? &*relation_names_ : nullptr,
                      collector_);
    read_text(lines, choice.format, has_ids ? static_cast<FactSink&>(naming) : collector_);
    if (choice.stated_count && *choice.stated_count != collector_.triples() - before)
      log::warning("{}: the first line says {} triples, {} were read", name, text::with_thousands(*choice.stated_count),
                   text::with_thousands(collector_.triples() - before));
  }

  // Labels of blank nodes hold for one file: with several files they carry its number.
  [[nodiscard]] std::string blank_scope(std::size_t index) const {
    return list_.files.size() > 1 ? fmt::format("f{}.", index + 1) : std::string();
  }

  // What a file of attributes says of an entity is an attribute.
  template <class Read>
  void read_facts(std::size_t index, const Read& read) {
    AttributeSink attributes(collector_);
    const bool is_attributes = list_.files[index].content == TextFormat::Content::kAttributes;
    read(is_attributes ? static_cast<FactSink&>(attributes) : collector_);
  }

  void say_format(const Input& input, InputFormat format) {
    log::info("{}: {}, {}", input.name(), input.encoding(), format_name(format));
    if (options_.format != InputFormat::kAuto) return;
    const InputFormat named = format_of_name(input.name());
    if (named != format && named != InputFormat::kText)
      log::warning("{}: it is called as {}, but it is {} by its first lines", input.name(), format_name(named),
                   format_name(format));
    collector_.hint(
        fmt::format("; the file was taken for {}, --format says another format, such as text", format_name(format)));
  }

  void read_statements(LineReader& lines, std::size_t index, InputFormat format) {
    say_format(lines.input(), format);
    read_facts(index,
               [&](FactSink& sink) { read_ntriples(lines, blank_scope(index), sink, format == InputFormat::kNQuads); });
  }

  std::uint64_t read_graph(Input& input, LineReader& lines, std::size_t index, InputFormat format) {
    say_format(input, format);
    std::uint64_t count = 0;
    read_facts(index,
               [&](FactSink& sink) { count = read_rdf(input, format, lines.take_all(), blank_scope(index), sink); });
    return count;
  }

  void remember(const Input& input, std::uint64_t lines) {
    sources_.push_back({input.name(), input.raw_bytes(), lines, input.checksum()});
  }

  const ImportOptions& options_;
  const InputList& list_;
  Collector collector_;
  std::optional<IdNames> entity_names_;
  std::optional<IdNames> relation_names_;
  SynsetNames synsets_;
  WordNetReader wordnet_{synsets_};
  std::vector<graph::SourceFile> sources_;
};

}  // namespace

ReadInputs read_inputs(const ImportOptions& options, const InputList& list) {
  Reading reading(options, list);
  reading.name_synsets();
  for (std::size_t index = 0; index < list.files.size(); ++index) reading.read(index);
  return reading.finish();
}

}  // namespace tessera::partition
