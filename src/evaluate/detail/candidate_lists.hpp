// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/entity_lists.hpp"
#include "evaluate/evaluator.hpp"
#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "search/setup.hpp"
#include "storage/rereadable.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace tessera::evaluate::detail {

/// The listed candidates of queries: a rank holds the lists of the sources that it owns. Known answers and the target
/// are left out of a list when it is copied.
class CandidateLists final : public EntityLists {
 public:
  /// Collective. Rank 0 reads the file twice (to count, to fill) and hands blocks of it round; 8 bytes per candidate of
  /// an own query are taken from the pool. Throws AgreedError: kMissingInput, kBadData, kOverBudget.
  CandidateLists(const search::Setup& setup, const model::OwnRows& rows, const search::KnownAnswers& known,
                 const CandidateFile& files);

  [[nodiscard]] bool by_target() const override { return true; }
  [[nodiscard]] std::uint64_t size(const OwnQuery& query) const override;
  void copy(const OwnQuery& query, std::uint64_t first, std::span<std::uint64_t> out) const override;

  /// Collective. Throws AgreedError(kBadData) that names a query of `order` without a list.
  void require_all(const QueryOrder& order) const;
  /// XXH3-128 of the file.
  [[nodiscard]] const std::string& digest() const { return digest_; }

 private:
  struct Entry {
    std::uint64_t source;
    std::uint64_t target;
    std::uint64_t first;  ///< in candidates_
    std::uint64_t count;
    std::uint64_t line;
    std::uint32_t relation;
  };
  using RecordConsumer = std::function<void(std::span<const std::uint64_t> record)>;
  void for_each_own_record(const RecordConsumer& consume) const;
  void sort_entries();
  [[nodiscard]] const Entry* find(const OwnQuery& query) const;

  const search::Setup& setup_;
  const model::OwnRows& rows_;
  const search::KnownAnswers& known_;
  CandidateFile files_;
  std::unique_ptr<storage::Rereadable> contents_;  // on rank 0
  std::string digest_;
  memory::Buffer<Entry> entries_;  // sorted by (source, relation, target)
  memory::Buffer<std::uint64_t> candidates_;
};

}  // namespace tessera::evaluate::detail
