// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/tree/query_relations.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace tessera::exchange {

using memory::Tag;

QueryRelations::QueryRelations(comm::Communicator& comm, const graph::Shard& shard,
                               const std::vector<std::uint64_t>& queries, memory::Pool& pool)
    : comm_(comm), shard_(shard), begin_(queries.size() + 1, 0), bytes_(static_cast<std::size_t>(comm.size())) {
  const std::uint64_t all = std::accumulate(queries.begin(), queries.end(), std::uint64_t{0});
  std::uint64_t own = 0;
  for (const graph::Part& part : shard.parts) own += queries[part.id().index()];
  sent_ = pool.allocate<std::uint32_t>(Tag::kExchange, kHeaderWords + own);
  received_ = pool.allocate<std::uint32_t>(Tag::kExchange, kHeaderWords * bytes_.size() + all);
  relations_ = pool.allocate<std::uint32_t>(Tag::kExchange, all);
}

std::uint64_t QueryRelations::gather(std::span<const std::span<const std::uint32_t>> own,
                                     std::span<const std::uint64_t> counts, std::uint64_t failed) {
  std::uint32_t* out = sent_.data() + kHeaderWords;
  std::memcpy(sent_.data(), &failed, sizeof failed);
  for (std::size_t p = 0; p < own.size(); ++p) {
    TESSERA_ASSERT(own[p].size() == counts[shard_.parts[p].id().index()], "queries that all ranks expect");
    out = std::copy(own[p].begin(), own[p].end(), out);
  }
  for (std::size_t p = 0; p < counts.size(); ++p) begin_[p + 1] = begin_[p] + counts[p];
  std::uint64_t words = 0;
  for (std::size_t r = 0; r < bytes_.size(); ++r) {
    const Rank rank(static_cast<std::int32_t>(r));
    const std::uint64_t queries =
        begin_[shard_.placement.end_part(rank).index()] - begin_[shard_.placement.first_part(rank).index()];
    bytes_[r] = (kHeaderWords + queries) * sizeof(std::uint32_t);
    words += kHeaderWords + queries;
  }
  const auto sent = std::span<const std::uint32_t>(sent_.data(), out);
  comm_.all_gather(std::as_bytes(sent), std::as_writable_bytes(received_.span().first(words)), bytes_);
  std::uint64_t first_failed = kNone;
  const std::uint32_t* in = received_.data();
  std::uint32_t* to = relations_.data();
  for (const std::uint64_t bytes : bytes_) {
    std::uint64_t of_rank = 0;
    std::memcpy(&of_rank, in, sizeof of_rank);
    first_failed = std::min(first_failed, of_rank);
    const std::uint32_t* end = in + bytes / sizeof(std::uint32_t);
    to = std::copy(in + kHeaderWords, end, to);
    in = end;
  }
  return first_failed;
}

}  // namespace tessera::exchange
