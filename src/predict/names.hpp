// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/graph_names.hpp"
#include "predict/question.hpp"
#include "predict/searcher.hpp"
#include "storage/hdf5.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace tessera::predict {

/// A question in ids.
struct ResolvedQuestion {
  std::uint64_t entity = 0;    ///< original id
  std::uint32_t relation = 0;  ///< 0 .. R-1; of a query for relations, 0
  Side side = Side::kTail;
  std::uint64_t other = 0;  ///< original id of the tail of a query for relations; else 0
};

/// Names and ids of a graph and of its partition; used on rank 0. No table of all entities is in memory.
class Names {
 public:
  /// Throws Error(kMissingInput), Error(kBadData): the partition is of another graph, a file is damaged.
  Names(const std::filesystem::path& graph_folder, const std::filesystem::path& partition_folder);

  /// Throws Error(question.bad_status) that suggests up to three names when one is not known.
  [[nodiscard]] ResolvedQuestion resolve(const Question& question) const;
  /// As in GraphNames.
  using Place = GraphNames::Place;
  [[nodiscard]] std::uint64_t find_entity(const std::string& name, const Place& place) const {
    return names_->find_entity(name, place);
  }
  [[nodiscard]] std::uint32_t find_relation(const std::string& name, const Place& place) const {
    return names_->find_relation(name, place);
  }
  [[nodiscard]] search::Query to_search(const ResolvedQuestion& question) const;
  /// The id in the partition of an original id.
  [[nodiscard]] EntityId global_id(std::uint64_t entity) const;

  [[nodiscard]] std::uint64_t entity_count() const { return names_->entity_count(); }
  [[nodiscard]] std::uint64_t relation_count() const { return names_->relation_count(); }
  /// By original id; valid until the next call.
  [[nodiscard]] const std::string& entity(std::uint64_t id) const { return names_->entity(id); }
  [[nodiscard]] const std::string& relation(std::uint64_t id) const { return names_->relation(id); }

 private:
  std::unique_ptr<GraphNames> names_;
  storage::FileReader manifest_;
};

}  // namespace tessera::predict
