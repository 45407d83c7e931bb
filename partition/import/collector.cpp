// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/collector.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "partition/import/unseen.hpp"

#include <utility>

namespace tessera::partition {
namespace {

constexpr std::uint64_t kReportedBadLines = 5;
constexpr std::size_t kBatchBytes = std::size_t{1} << 22U;  // of names that are numbered together
constexpr std::uint64_t kAttributesTogether = 256;

// Sets bit `index` of a vector that grows as needed; true when it was not set before.
bool set_bit(std::vector<bool>& bits, std::uint64_t index) {
  if (index >= bits.size()) bits.resize(index + index / 2 + 64);
  if (bits[index]) return false;
  bits[index] = true;
  return true;
}

bool get_bit(const std::vector<bool>& bits, std::uint64_t index) { return index < bits.size() && bits[index]; }

std::vector<KeyFile> make_spills(const std::filesystem::path& folder) {
  std::vector<KeyFile> spills;
  for (std::size_t i = 0; i < graph::kSplits.size(); ++i) spills.emplace_back(folder, KeyLayout{});
  return spills;
}

}  // namespace

Collector::Collector(const ImportOptions& options, std::uint64_t total_bytes)
    : name_memory_bytes_(options.name_memory_bytes),
      skip_bad_lines_(options.skip_bad_lines),
      allow_unseen_(options.allow_unseen),
      found_{Dictionary(),
             Dictionary(),
             Dictionary(),
             Dictionary(),
             NameRuns(options.temporary_folder),
             {},
             {},
             {},
             {},
             {},
             {},
             make_spills(options.temporary_folder),
             {},
             AttributeFile(options.temporary_folder),
             {}},
      has_helper_(options.threads > 1),
      progress_("Reading", total_bytes, "bytes"),
      start_(std::chrono::steady_clock::now()) {
  if (!options.triple_columns.weight.empty()) found_.weights.emplace(options.temporary_folder);
  read_.rows.reserve(kBatchRows);
  numbered_.rows.reserve(kBatchRows);
}

void Collector::begin_file(const Input& input, graph::Split split) {
  input_ = &input;
  split_ = split;
  header_suspected_ = false;
  hint_.clear();
  found_before_ = facts();
}

void Collector::end_file() {
  flush();
  wait();
  if (facts() == found_before_)
    fail(ExitStatus::kBadData, "{}: there is no triple in this file{}{}", input_->name(),
         found_.counts.bad_lines > 0 ? " that could be read" : "", hint_);
  bytes_before_ += input_->raw_bytes();
  input_ = nullptr;
}

bool Collector::too_long(std::string_view name, std::uint64_t line) {
  if (name.size() <= Dictionary::kLongestName) return false;
  bad_line(line, fmt::format("a name of {}, more than the limit of 64 KiB", text::bytes(name.size())));
  return true;
}

Collector::Name Collector::keep(std::string_view name) {
  const Name kept{static_cast<std::uint32_t>(read_.text.size()), static_cast<std::uint32_t>(name.size()),
                  Dictionary::hash(name)};
  read_.text.append(name);
  return kept;
}

void Collector::triple(std::string_view head, std::string_view relation, std::string_view tail, std::uint64_t line) {
  const float weight = std::exchange(weight_, 1.0F);
  if (too_long(head, line) || too_long(relation, line) || too_long(tail, line)) return;
  blanks_.note(head, false, input_->name(), line);
  blanks_.note(relation, true, input_->name(), line);
  blanks_.note(tail, false, input_->name(), line);
  const Name kept = keep(head);
  const Name kept_relation = keep(relation);
  read_.rows.push_back({kept, kept_relation, keep(tail), line, weight});
  if (read_.rows.size() == kBatchRows || read_.text.size() > kBatchBytes) flush();
}

void Collector::attribute(std::string_view entity, std::string_view attribute, std::string_view value,
                          std::string_view datatype, std::uint64_t line) {
  if (too_long(entity, line) || too_long(attribute, line) || too_long(datatype, line)) return;
  wait();
  const auto number = [](Dictionary& dictionary, std::string_view name) {
    return static_cast<std::uint32_t>(dictionary.intern(name));
  };
  found_.attribute_rows.add({found_.entities.intern(entity), number(found_.attributes, attribute),
                             number(found_.datatypes, datatype), value});
  if (++found_.counts.attributes_read % kAttributesTogether != 0) return;
  show_progress();
  if (found_.entities.bytes() > name_memory_bytes_) spill_names();
}

void Collector::entity(std::string_view name, std::uint64_t line) {
  if (too_long(name, line)) return;
  wait();
  blanks_.note(name, false, input_->name(), line);
  set_bit(found_.in_table, found_.entities.intern(name));
  if (found_.first_row.empty()) found_.first_row = fmt::format("'{}' at {}:{}", name, input_->name(), line);
  ++found_.counts.table_rows;
  if (found_.entities.bytes() > name_memory_bytes_) spill_names();
}

void Collector::bad_line(std::uint64_t line, const std::string& reason) {
  if (!skip_bad_lines_) fail(ExitStatus::kBadData, "{}:{}: {}{}", input_->name(), line, reason, hint_);
  if (++found_.counts.bad_lines <= kReportedBadLines)
    log::warning("{}:{}: {} (skipped){}", input_->name(), line, reason, found_.counts.bad_lines == 1 ? hint_ : "");
}

void Collector::flush() {
  wait();
  numbered_.rows.clear();
  numbered_.text.clear();
  std::swap(read_, numbered_);
  found_.counts.triples_read += numbered_.rows.size();
  show_progress();
  if (has_helper_)
    numbering_ = std::async(std::launch::async, [this] { number_rows(); });
  else
    number_rows();
}

void Collector::wait() {
  if (numbering_.valid()) numbering_.get();
}

void Collector::prefetch(std::size_t row) const {
  const std::vector<Row>& rows = numbered_.rows;
  if (row + kSlotsAhead < rows.size()) {
    found_.entities.prefetch_slot(rows[row + kSlotsAhead].head.hash);
    found_.entities.prefetch_slot(rows[row + kSlotsAhead].tail.hash);
  }
  if (row + kRecordsAhead < rows.size()) {
    found_.entities.prefetch_record(rows[row + kRecordsAhead].head.hash);
    found_.entities.prefetch_record(rows[row + kRecordsAhead].tail.hash);
  }
}

// The names get new numbers from here on.
void Collector::spill_names() {
  if (found_.entities.size() == 0) return;
  if (found_.entity_runs.empty())
    log::info("entity names take more than {}: they are sorted on disk", text::bytes(name_memory_bytes_));
  found_.entity_runs.add(found_.entities);
  const std::uint64_t next = found_.entities.end();
  found_.entities = Dictionary();  // frees the old one before the new one grows
  found_.entities = Dictionary(next);
  for (FirstLine& first : first_lines_) {
    first.head = found_.entities.intern(first.head_name);
    first.tail = found_.entities.intern(first.tail_name);
  }
}

void Collector::number_rows() {
  KeyFile& spill = found_.splits[static_cast<std::size_t>(split_)];
  for (std::size_t i = 0; i < numbered_.rows.size(); ++i) {
    prefetch(i);
    const Row& row = numbered_.rows[i];
    const Sizes before{found_.entities.end(), found_.relations.size()};
    const std::uint64_t head = intern(found_.entities, row.head);
    const std::uint64_t relation = intern(found_.relations, row.relation);
    const std::uint64_t tail = intern(found_.entities, row.tail);
    spill.add(spill.layout().pack(head, relation, tail));
    if (found_.weights && split_ == graph::Split::kTrain) found_.weights->add(row.weight);
    mark(head, relation, tail, row.line);
    if (row.line == 1 || !first_lines_.empty())
      compare_with_first_lines({{}, {}, {}, head, relation, tail}, row.line, before);
  }
  if (found_.entities.bytes() > name_memory_bytes_) spill_names();
}

// The same header may begin several files. Names that occurred before belong to no header.
void Collector::compare_with_first_lines(const FirstLine& now, std::uint64_t line, const Sizes& before) {
  const bool may_be_header = header_suspected_ && line == 1;
  bool is_new = now.relation >= before.relations && now.head >= before.entities && now.tail >= before.entities;
  std::erase_if(first_lines_, [&](const FirstLine& first) {
    const bool is_same = now.head == first.head && now.relation == first.relation && now.tail == first.tail;
    const auto has = [&](std::uint64_t entity) { return entity == first.head || entity == first.tail; };
    if (may_be_header && is_same) is_new = true;
    return !(may_be_header && is_same) && (now.relation == first.relation || has(now.head) || has(now.tail));
  });
  if (!may_be_header || !is_new) return;
  first_lines_.push_back(now);
  first_lines_.back().file = input_->name();
  first_lines_.back().head_name = found_.entities.name(now.head);
  first_lines_.back().tail_name = found_.entities.name(now.tail);
}

void Collector::mark(std::uint64_t head, std::uint64_t relation, std::uint64_t tail, std::uint64_t line) {
  set_bit(found_.in_triple, head);
  set_bit(found_.in_triple, tail);
  if (split_ == graph::Split::kTrain) {
    set_bit(entity_in_train_, head);
    set_bit(entity_in_train_, tail);
    set_bit(relation_in_train_, relation);
  } else {
    note_unseen(head, relation, tail, line);
  }
}

// Train is read first, so what it lacks is unseen.
void Collector::note_unseen(std::uint64_t head, std::uint64_t relation, std::uint64_t tail, std::uint64_t line) {
  bool unseen = false;
  const auto note = [&](const Dictionary& names, const char* what, const std::vector<bool>& in_train,
                        std::vector<bool>& noted, std::uint64_t number, std::uint64_t& count) {
    if (get_bit(in_train, number)) return;
    unseen = true;
    if (set_bit(noted, number)) ++count;
    if (first_unseen_.empty())
      first_unseen_ = fmt::format("{} '{}' at {}:{}", what, names.name(number), input_->name(), line);
  };
  ImportCounts& counts = found_.counts;
  note(found_.entities, "entity", entity_in_train_, entity_unseen_, head, counts.unseen_entities);
  note(found_.relations, "relation", relation_in_train_, relation_unseen_, relation, counts.unseen_relations);
  note(found_.entities, "entity", entity_in_train_, entity_unseen_, tail, counts.unseen_entities);
  if (unseen) ++counts.unseen_triples;
}

void Collector::show_progress() {
  if (!progress_.due()) return;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(found_.counts.triples_read) / seconds);
  progress_.update(
      bytes_before_ + (input_ != nullptr ? input_->raw_bytes() : 0),
      fmt::format("{} triples, {} /s", text::with_thousands(found_.counts.triples_read), text::with_thousands(rate)));
}

// Where most relations occur once, a first line is no exception.
void Collector::report_headers() const {
  if (found_.counts.triples_read < 2 * found_.relations.size()) return;
  for (const FirstLine& first : first_lines_)
    log::warning(
        "{}:1: '{}', '{}', '{}' occur nowhere else; if this line is a header, take it out of the file, or import "
        "with --header, which leaves out the first line of each file",
        first.file, first.head_name, found_.relations.name(first.relation), first.tail_name);
}

Collected Collector::finish() {
  progress_.finish();
  if (found_.counts.bad_lines > 0)
    log::warning("{} bad lines were skipped", text::with_thousands(found_.counts.bad_lines));
  report_headers();
  blanks_.report(found_.entities, found_.relations, !found_.entity_runs.empty());
  found_.in_triple.resize(found_.entities.end());  // of names without a triple, too
  if (found_.counts.table_rows > 0) found_.in_table.resize(found_.entities.end());
  if (found_.entity_runs.empty()) {
    report_unseen(found_.counts, first_unseen_, allow_unseen_);
  } else {
    spill_names();
    found_.in_train = std::move(entity_in_train_);
    found_.seen_later = std::move(entity_unseen_);
    found_.new_relation = std::move(relation_unseen_);
    found_.in_train.resize(found_.in_triple.size());
    found_.seen_later.resize(found_.in_triple.size());
    found_.new_relation.resize(found_.relations.size());
  }
  for (KeyFile& spill : found_.splits) spill.finish();
  if (found_.weights) found_.weights->finish();
  found_.attribute_rows.finish();
  return std::move(found_);
}

}  // namespace tessera::partition
