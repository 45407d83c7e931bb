// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/reading.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "partition/import/input.hpp"
#include "partition/import/ntriples_reader.hpp"

#include <algorithm>

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
  Reading(const ImportOptions& options, const std::vector<InputFile>& files)
      : options_(options),
        files_(files),
        columns_(ColumnOrder::parse(options.columns)),
        collector_(options, total_bytes(files)) {}

  void name_synsets() {
    for (const InputFile& file : files_) {
      if (!file.wordnet) continue;
      const WordNetPart part = *wordnet_part(file.path);
      Input data = Input::open(file.path);
      LineReader data_lines(data, options_.longest_line_bytes);
      synsets_.add_data(data_lines, part);
      Input index = Input::open(wordnet_index(file.path));
      LineReader index_lines(index, options_.longest_line_bytes);
      synsets_.add_index(index_lines, part);
      remember(index, index_lines);
    }
    synsets_.finish();
  }

  void read(std::size_t index) {
    const InputFile& file = files_[index];
    Input input = Input::open(file.path);
    LineReader lines(input, options_.longest_line_bytes);
    collector_.begin_file(input, file.split);
    if (file.attributes)
      read_columns(lines, true);
    else if (file.wordnet)
      wordnet_.read(lines, *wordnet_part(file.path), collector_);
    else if (is_ntriples(lines))
      read_statements(lines, index);
    else
      read_columns(lines, false);
    collector_.end_file();
    remember(input, lines);
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
  bool is_ntriples(LineReader& lines) const {
    if (options_.format != InputFormat::kAuto) return options_.format == InputFormat::kNTriples;
    return looks_like_ntriples(lines.sample());
  }

  void read_columns(LineReader& lines, bool attributes) {
    TextFormat format{options_.separator, columns_, options_.header, attributes};
    if (format.separator == Separator::kAuto) format.separator = guess_separator(lines.sample());
    if (!attributes && !options_.header) collector_.suspect_header();
    log::info("{}: {}, columns separated by {}", lines.input().name(), lines.input().encoding(),
              separator_name(format.separator));
    read_text(lines, format, collector_);
  }

  // Labels of blank nodes hold for one file: with several files they carry its number.
  void read_statements(LineReader& lines, std::size_t index) {
    log::info("{}: {}, N-Triples", lines.input().name(), lines.input().encoding());
    read_ntriples(lines, files_.size() > 1 ? fmt::format("f{}.", index + 1) : std::string(), collector_);
  }

  void remember(const Input& input, const LineReader& lines) {
    sources_.push_back({input.name(), input.raw_bytes(), lines.lines(), input.checksum()});
  }

  const ImportOptions& options_;
  const std::vector<InputFile>& files_;
  ColumnOrder columns_;
  Collector collector_;
  SynsetNames synsets_;
  WordNetReader wordnet_{synsets_};
  std::vector<graph::SourceFile> sources_;
};

}  // namespace

ReadInputs read_inputs(const ImportOptions& options, const std::vector<InputFile>& files) {
  Reading reading(options, files);
  reading.name_synsets();
  for (std::size_t index = 0; index < files.size(); ++index) reading.read(index);
  return reading.finish();
}

}  // namespace tessera::partition
