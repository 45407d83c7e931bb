// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/progress.hpp"
#include "graph/split.hpp"
#include "partition/import/attributes.hpp"
#include "partition/import/dictionary.hpp"
#include "partition/import/fact_sink.hpp"
#include "partition/import/input.hpp"
#include "partition/import/name_runs.hpp"
#include "partition/import/options.hpp"
#include "partition/import/outer_blanks.hpp"
#include "partition/import/result.hpp"
#include "partition/import/triples.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::partition {

/// Everything that was read, still in order of appearance.
struct Collected {
  Dictionary entities;
  Dictionary relations;
  Dictionary attributes;
  Dictionary datatypes;
  NameRuns entity_runs;            ///< empty when all names fit `entities`; else all are here
  std::vector<bool> in_triple;     ///< by entity number
  std::vector<bool> in_table;      ///< by entity number: in a table of entities; empty without such tables
  std::string first_row;           ///< of these tables: "'NAME' at FILE:LINE"
  std::vector<bool> in_train;      ///< by entity number; with runs
  std::vector<bool> seen_later;    ///< by entity number: in valid or test; with runs
  std::vector<bool> new_relation;  ///< by relation number: not in train; with runs
  std::vector<KeyFile> splits;
  std::optional<WeightFile> weights;  ///< of the triples of train, where they have any
  AttributeFile attribute_rows;
  ImportCounts counts;
};

/// Takes the findings of the readers, numbers the names and spills the records. With several threads, one numbers the
/// names of some thousand triples while the next ones are read.
class Collector final : public FactSink {
 public:
  /// `total_bytes` of all inputs for the progress line, 0 when unknown.
  Collector(const ImportOptions& options, std::uint64_t total_bytes);

  /// Whose findings come now; `input` must live until end_file(), which throws Error(kBadData) when nothing was found.
  void begin_file(const Input& input, graph::Split split);
  void end_file();
  /// The file that was begun is text whose first line counts: should its names occur nowhere else, finish() warns that
  /// it may be a header.
  void suspect_header() { header_suspected_ = true; }
  /// What a bad line of this file may come from: the end of each message about one.
  void hint(std::string text) { hint_ = std::move(text); }
  /// So far.
  [[nodiscard]] std::uint64_t triples() const { return found_.counts.triples_read + read_.rows.size(); }

  void triple(std::string_view head, std::string_view relation, std::string_view tail, std::uint64_t line) override;
  void weight(float weight) override { weight_ = weight; }
  void attribute(std::string_view entity, std::string_view attribute, std::string_view value, std::string_view datatype,
                 std::uint64_t line) override;
  void entity(std::string_view name, std::uint64_t line) override;
  void bad_line(std::uint64_t line, const std::string& reason) override;

  /// Reports what is unseen or was skipped, throws Error(kBadData) when that is not allowed, and gives everything away.
  Collected finish();

 private:
  struct Name {
    std::uint32_t begin;
    std::uint32_t bytes;
    std::uint64_t hash;
  };
  struct Row {
    Name head;
    Name relation;
    Name tail;
    std::uint64_t line;
    float weight;
  };
  struct FirstLine {
    std::string file;
    std::string head_name;
    std::string tail_name;
    std::uint64_t head;
    std::uint64_t relation;
    std::uint64_t tail;
  };
  // Triples that are numbered together.
  struct Rows {
    std::string text;
    std::vector<Row> rows;
  };
  static constexpr std::size_t kBatchRows = 4096;
  static constexpr std::size_t kSlotsAhead = 24;  // names whose slots are prefetched, so that cache misses overlap
  static constexpr std::size_t kRecordsAhead = 12;

  bool too_long(std::string_view name, std::uint64_t line);
  Name keep(std::string_view name);
  std::uint64_t intern(Dictionary& dictionary, const Name& name) const {
    return dictionary.intern(std::string_view(numbered_.text).substr(name.begin, name.bytes), name.hash);
  }
  void flush();
  void wait();
  void prefetch(std::size_t row) const;
  void number_rows();
  void mark(std::uint64_t head, std::uint64_t relation, std::uint64_t tail, std::uint64_t line);
  void note_unseen(std::uint64_t head, std::uint64_t relation, std::uint64_t tail, std::uint64_t line);
  void spill_names();
  void show_progress();
  struct Sizes {
    std::uint64_t entities;
    std::uint64_t relations;
  };
  void compare_with_first_lines(const FirstLine& now, std::uint64_t line, const Sizes& before);
  void report_headers() const;
  [[nodiscard]] std::uint64_t facts() const {
    return found_.counts.triples_read + found_.counts.attributes_read + found_.counts.table_rows;
  }

  std::uint64_t name_memory_bytes_;
  bool skip_bad_lines_;
  bool allow_unseen_;
  Collected found_;
  std::vector<bool> entity_in_train_;
  std::vector<bool> relation_in_train_;
  std::vector<bool> entity_unseen_;
  std::vector<bool> relation_unseen_;
  std::string first_unseen_;
  bool header_suspected_ = false;
  float weight_ = 1;  // of the next triple
  std::string hint_;
  OuterBlanks blanks_;
  std::vector<FirstLine> first_lines_;  // whose names have occurred nowhere else so far
  Rows read_;                           // the batch that is read
  Rows numbered_;                       // the batch that is numbered
  bool has_helper_;
  std::future<void> numbering_;  // of a thread that uses numbered_ and found_
  const Input* input_ = nullptr;
  graph::Split split_ = graph::Split::kTrain;
  std::uint64_t bytes_before_ = 0;  // bytes of the files that are done
  std::uint64_t found_before_ = 0;  // triples and attributes of files that are done
  Progress progress_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace tessera::partition
