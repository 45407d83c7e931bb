// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/own_rows.hpp"
#include "model/setup.hpp"
#include "predict/searcher.hpp"

#include <cstdint>
#include <span>

namespace tessera::predict::detail {

/// Which answers are triples of the graph. A fact (s, r, t) is also a query (t, r^-1, ?) with target s at the owner of
/// t: no lists of answers travel.
class KnownAnswers {
 public:
  KnownAnswers(const model::Setup& setup, const model::OwnRows& rows) : setup_(setup), rows_(rows) {}

  /// Of an answer that this rank owns.
  [[nodiscard]] KnownIn find(const SearchQuery& query, EntityId own) const;
  /// Collective. counts[i] = the known answers of queries[i] in all splits, those that several splits have several
  /// times.
  void count(std::span<const SearchQuery> queries, std::span<std::int64_t> counts) const;

 private:
  const model::Setup& setup_;
  const model::OwnRows& rows_;
};

}  // namespace tessera::predict::detail
