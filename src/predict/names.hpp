// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/question.hpp"
#include "predict/searcher.hpp"
#include "storage/hdf5.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace tessera::predict {

/// A question in ids.
struct ResolvedQuestion {
  std::uint64_t entity = 0;    ///< original id
  std::uint32_t relation = 0;  ///< 0 .. R-1; of a query for relations, 0
  Side side = Side::kTail;
  std::uint64_t other = 0;  ///< original id of the tail of a query for relations; else 0
};

/// Names and ids of a graph and its partition; used on rank 0. Names stay in their file; no table of all entities.
class Names {
 public:
  /// Throws Error(kMissingInput), Error(kBadData): the partition is of another graph, a file is damaged.
  Names(const std::filesystem::path& graph_folder, const std::filesystem::path& partition_folder);
  ~Names();
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  /// An entity that no name fits may be named by its attribute `label`, if one entity alone has it. Throws
  /// Error(question.bad_status) that suggests up to three names when one is not known.
  [[nodiscard]] ResolvedQuestion resolve(const Question& question) const;
  /// Ids by name, for an input `where`; throw Error(status) likewise.
  struct Place {
    std::string where;
    ExitStatus bad_status = ExitStatus::kBadData;
  };
  [[nodiscard]] std::uint64_t find_entity(const std::string& name, const Place& place) const;
  [[nodiscard]] std::uint32_t find_relation(const std::string& name, const Place& place) const;
  [[nodiscard]] search::Query to_search(const ResolvedQuestion& question) const;
  /// The id in the partition of an original id.
  [[nodiscard]] EntityId global_id(std::uint64_t entity) const;

  [[nodiscard]] std::uint64_t entity_count() const;
  [[nodiscard]] std::uint64_t relation_count() const;
  /// By original id; valid until the next call.
  [[nodiscard]] const std::string& entity(std::uint64_t id) const;
  [[nodiscard]] const std::string& relation(std::uint64_t id) const;

 private:
  struct Indexes;
  /// The only entity with this label; none: no entity has it, or there are no labels. Throws Error(place.bad_status).
  [[nodiscard]] std::optional<std::uint64_t> find_label(const std::string& label, const Place& place) const;
  std::filesystem::path graph_folder_;
  std::unique_ptr<Indexes> indexes_;
  storage::FileReader manifest_;
};

}  // namespace tessera::predict
