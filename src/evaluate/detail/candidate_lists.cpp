// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/candidate_lists.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "evaluate/detail/candidate_reader.hpp"
#include "storage/checksum.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <tuple>
#include <vector>

namespace tessera::evaluate::detail {
namespace {

using Reader = CandidateReader;
using memory::Tag;

template <class Q>
auto key(const Q& query) {
  return std::tuple(query.source, query.relation, query.target);
}

}  // namespace

CandidateLists::CandidateLists(const search::Setup& setup, const model::OwnRows& rows,
                               const search::KnownAnswers& known, const CandidateFile& files)
    : setup_(setup), rows_(rows), known_(known), files_(files) {
  comm::on_root(setup_.comm, [&] {
    contents_ = std::make_unique<storage::Rereadable>(files_.file);
    files_.contents = contents_->path();
  });
  std::uint64_t lists = 0;
  std::uint64_t candidates = 0;
  for_each_own_record([&](auto record) {
    ++lists;
    candidates += record[Reader::kCount];
  });
  comm::together(setup_.comm, [&] {
    entries_ = setup_.host.allocate<Entry>(Tag::kEvaluation, lists);
    candidates_ = setup_.host.allocate<std::uint64_t>(Tag::kEvaluation, candidates);
    if (setup_.comm.is_root()) digest_ = storage::hash_file(files_.contents).hex();
  });
  digest_ = setup_.comm.broadcast_string(digest_, Rank(0));
  std::uint64_t next_list = 0;
  std::uint64_t next = 0;
  for_each_own_record([&](auto record) {
    const std::uint64_t count = record[Reader::kCount];
    if (next_list == lists || count > candidates - next)
      fail(ExitStatus::kBadData, "'{}' changed while it was read", files_.file.string());
    entries_[next_list++] = {record[Reader::kSource],
                             record[Reader::kTarget],
                             next,
                             count,
                             record[Reader::kLine],
                             static_cast<std::uint32_t>(record[Reader::kRelation])};
    std::copy_n(record.begin() + Reader::kHeader, count, candidates_.data() + next);
    next += count;
  });
  comm::together(setup_.comm, [&] { sort_entries(); });
}

/// Collective. Blocks of records go to all ranks; each takes those whose source it owns.
void CandidateLists::for_each_own_record(const RecordConsumer& consume) const {
  comm::Communicator& comm = setup_.comm;
  std::unique_ptr<Reader> reader;
  std::vector<std::uint64_t> records;
  for (;;) {
    comm::on_root(comm, [&] {
      if (!reader) reader = std::make_unique<Reader>(files_, setup_.shard.manifest.graph_digest);
      reader->next(records);
    });
    std::uint64_t size = records.size();
    comm.broadcast_values(std::span(&size, 1), Rank(0));
    if (size == 0) return;
    records.resize(size);
    comm.broadcast_values(std::span(records), Rank(0));
    comm::together(comm, [&] {
      for (std::size_t at = 0; at < records.size(); at += Reader::kHeader + records[at + Reader::kCount])
        if (rows_.owns(EntityId(records[at + Reader::kSource])))
          consume(std::span<const std::uint64_t>(records).subspan(at, Reader::kHeader + records[at + Reader::kCount]));
    });
  }
}

void CandidateLists::sort_entries() {
  const auto entries = entries_.span();
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(key(a), a.line) < std::pair(key(b), b.line); });
  const auto twice = std::adjacent_find(entries.begin(), entries.end(),
                                        [](const Entry& a, const Entry& b) { return key(a) == key(b); });
  if (twice != entries.end())
    fail(ExitStatus::kBadData, "{}:{}: line {} lists candidates for the same triple and end", files_.file.string(),
         std::next(twice)->line, twice->line);
}

const CandidateLists::Entry* CandidateLists::find(const OwnQuery& query) const {
  const auto wanted = std::tuple(query.query.source.value(), query.query.relation.value(), query.target.value());
  const auto entries = entries_.span();
  const auto found = std::lower_bound(entries.begin(), entries.end(), wanted,
                                      [](const Entry& entry, const auto& value) { return key(entry) < value; });
  return found != entries.end() && key(*found) == wanted ? &*found : nullptr;
}

std::uint64_t CandidateLists::size(const OwnQuery& query) const {
  const Entry* entry = find(query);
  return entry == nullptr ? 0 : entry->count;
}

void CandidateLists::copy(const OwnQuery& query, std::uint64_t first, std::span<std::uint64_t> out) const {
  const Entry* entry = find(query);
  TESSERA_ASSERT(entry != nullptr, "a query without candidates is refused before");
  for (std::uint64_t k = 0; k < out.size(); ++k) {
    const EntityId candidate(candidates_[entry->first + first + k]);
    const bool left_out = candidate == query.target || known_.find(query.query, candidate);
    out[k] = left_out ? kNobody : candidate.value();
  }
}

void CandidateLists::require_all(const QueryOrder& order) const {
  constexpr auto kNone = std::numeric_limits<std::int64_t>::max();
  comm::Communicator& comm = setup_.comm;
  const auto me = static_cast<std::size_t>(comm.rank().value());
  const std::uint64_t own = order.rank_offset(me + 1) - order.rank_offset(me);
  std::uint64_t missing = 0;
  while (missing < own && find(order.own(missing)) != nullptr) ++missing;
  const std::int64_t mine = missing == own ? kNone : static_cast<std::int64_t>(order.rank_offset(me) + missing);
  const std::int64_t first = comm.reduce(mine, comm::Reduction::kMin);
  if (first == kNone) return;
  std::array<std::int64_t, 3> query{};
  if (first == mine) {
    const OwnQuery owned = order.own(missing);
    query = {static_cast<std::int64_t>(owned.query.source.value()), std::int64_t{owned.query.relation.value()},
             static_cast<std::int64_t>(owned.target.value())};
  }
  comm.all_reduce(query, comm::Reduction::kSum);
  comm::on_root(comm, [&] {
    const Reader names(files_, setup_.shard.manifest.graph_digest);
    const auto [source, relation, target] = query;
    fail(ExitStatus::kBadData, "'{}' has no candidates for {}", files_.file.string(),
         names.describe(EntityId(static_cast<std::uint64_t>(source)), RelationId(static_cast<std::uint32_t>(relation)),
                        EntityId(static_cast<std::uint64_t>(target))));
  });
}

}  // namespace tessera::evaluate::detail
