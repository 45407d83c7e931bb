// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/candidate_reader.hpp"

#include "core/cast.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "graph/partition_manifest.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

namespace tessera::evaluate::detail {
namespace {

using storage::StringBlocks;

constexpr const char* kManifestKind = "partition";  // docs/formats/partition.md
constexpr std::uint64_t kManifestVersion = 1;
constexpr std::size_t kBlockNames = std::size_t{1} << 19U;
constexpr std::uint64_t kBlockIds = 1024;
constexpr std::size_t kSuggestions = 3;
constexpr const char* kForm = "a line is head, relation, tail, 'head' or 'tail', and the candidates, with tabs between";

/// Takes the text before the next tab off `rest`; all of it when there is none.
std::string_view take_word(std::string_view& rest, bool& more) {
  const std::size_t tab = rest.find('\t');
  const std::string_view word = rest.substr(0, tab);
  more = tab != std::string_view::npos;
  rest.remove_prefix(more ? tab + 1 : rest.size());
  return word;
}

/// Whether the fourth column says which end is asked for. A name may begin with #, so such a line is no comment.
bool has_end(std::string_view line) {
  bool more = true;
  for (int i = 0; i < 3 && more; ++i) take_word(line, more);
  const std::string_view end = take_word(line, more);
  return end == "head" || end == "tail";
}

}  // namespace

CandidateReader::CandidateReader(CandidateFile files, const std::string& graph_digest)
    : files_(std::move(files)),
      graph_(files_.graph_folder),
      partition_(storage::FileReader::open_verified(files_.partition_folder / graph::kManifestFile, kManifestKind,
                                                    kManifestVersion)),
      entities_(graph_.entity_names()) {
  if (graph_.digest() != graph_digest)
    fail(ExitStatus::kBadData, "'{}' is not the graph that the model was trained on", files_.graph_folder.string());
  const StringBlocks relations = graph_.relation_names();
  for (std::uint64_t block = 0; block < relations.block_count(); ++block)
    for (std::string& name : relations.block(block))
      relations_.emplace_hint(relations_.end(), std::move(name), checked_cast<std::uint32_t>(relations_.size()));
  in_.open(files_.contents, std::ios::binary);
}

std::string CandidateReader::where(std::uint64_t line) const {
  return fmt::format("{}:{}", files_.file.string(), line);
}

bool CandidateReader::next_line(std::string& line) {
  while (std::getline(in_, line)) {
    ++line_;
    if (line_ == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty() && (!line.starts_with('#') || has_end(line))) return true;
  }
  if (in_.bad() || !in_.eof()) fail(ExitStatus::kIo, "reading '{}' failed after line {}", files_.file.string(), line_);
  return false;
}

void CandidateReader::next(std::vector<std::uint64_t>& records) {
  records.clear();
  lines_.clear();
  slots_.clear();
  std::string line;
  while (slots_.size() < kBlockNames && next_line(line)) {
    lines_.push_back(std::move(line));
    parse(lines_.back(), records);
  }
  resolve(records);
}

void CandidateReader::parse(std::string_view line, std::vector<std::uint64_t>& records) {
  if (!text::is_utf8(line)) fail(ExitStatus::kBadData, "{}: not UTF-8", where(line_));
  std::array<std::string_view, 4> words;
  bool more = true;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!more) fail(ExitStatus::kBadData, "{}: {} columns; {}", where(line_), i, kForm);
    words.at(i) = take_word(line, more);
  }
  const auto [head, relation, tail, asked] = words;
  if (asked != "head" && asked != "tail")
    fail(ExitStatus::kBadData, "{}: the fourth column is '{}'; {}", where(line_), asked, kForm);
  const auto found = relations_.find(relation);
  if (found == relations_.end())
    fail(ExitStatus::kBadData, "{}: relation '{}' is not in the graph", where(line_), relation);
  if (!more) fail(ExitStatus::kBadData, "{}: no candidates; {}", where(line_), kForm);
  const bool asks_head = asked == "head";
  const std::size_t start = records.size();
  records.resize(start + kHeader);
  records[start + kLine] = line_;
  records[start + kRelation] = found->second + (asks_head ? graph_.relation_count() : 0);
  slots_.push_back({asks_head ? tail : head, line_, start + kSource});
  slots_.push_back({asks_head ? head : tail, line_, start + kTarget});
  while (more) {
    const std::string_view candidate = take_word(line, more);
    if (candidate.empty()) fail(ExitStatus::kBadData, "{}: an empty name; {}", where(line_), kForm);
    slots_.push_back({candidate, line_, records.size()});
    records.push_back(0);
  }
  records[start + kCount] = records.size() - start - kHeader;
}

/// In the order of names: neighbours are in one page of the names and in one block of the ids.
void CandidateReader::resolve(std::vector<std::uint64_t>& records) {
  std::sort(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) { return a.name < b.name; });
  const Slot* unknown = nullptr;
  std::vector<std::uint64_t> ids;
  std::uint64_t first = 0;  // original id of the first of `ids`
  for (const Slot& slot : slots_) {
    const std::optional<std::uint64_t> found = entities_.find(slot.name);
    if (!found && (unknown == nullptr || slot.line < unknown->line)) unknown = &slot;
    if (!found) continue;
    if (*found >= first + ids.size()) {
      first = *found - *found % kBlockIds;
      ids.resize(std::min(kBlockIds, entities_.size() - first));
      partition_.read_rows<std::uint64_t>("/new_ids", first, ids.size(), std::span(ids));
    }
    const std::uint64_t id = ids[*found - first];
    if (id >= graph_.entity_count())
      fail(ExitStatus::kBadData, "'{}', /new_ids: ids out of range", partition_.path().string());
    records[slot.record_position] = id;
  }
  if (unknown != nullptr) fail_unknown(*unknown);
}

void CandidateReader::fail_unknown(const Slot& slot) const {
  std::string near;
  for (const std::string& name : entities_.nearest(slot.name, kSuggestions))
    near += fmt::format("{}'{}'", near.empty() ? "; did you mean " : ", ", name);
  fail(ExitStatus::kBadData, "{}: entity '{}' is not in the graph{}", where(slot.line), slot.name,
       near.empty() ? near : near + "?");
}

std::string CandidateReader::describe(EntityId source, RelationId relation, EntityId target) const {
  const bool asks_head = relation.value() >= graph_.relation_count();
  const std::uint64_t plain = relation.value() - (asks_head ? graph_.relation_count() : 0);
  const auto name =
      std::find_if(relations_.begin(), relations_.end(), [&](const auto& r) { return r.second == plain; });
  return fmt::format("the {} of ({}, {}, {})", asks_head ? "head" : "tail", name_of(asks_head ? target : source),
                     name == relations_.end() ? "?" : name->first, name_of(asks_head ? source : target));
}

std::string CandidateReader::name_of(EntityId entity) const {
  std::array<std::uint64_t, kBlockIds> ids{};
  for (std::uint64_t first = 0; first < entities_.size(); first += ids.size()) {
    const auto block = std::span(ids).first(std::min<std::uint64_t>(ids.size(), entities_.size() - first));
    partition_.read_rows<std::uint64_t>("/new_ids", first, block.size(), block);
    const auto found = std::find(block.begin(), block.end(), entity.value());
    if (found != block.end()) return entities_.get(first + static_cast<std::uint64_t>(found - block.begin()));
  }
  return "?";
}

}  // namespace tessera::evaluate::detail
