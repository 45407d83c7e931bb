// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "graph/graph_reader.hpp"
#include "predict/detail/name_index.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace tessera::attributes {
class Table;
}

namespace tessera::predict {

/// Entities and relations of a graph by name; an entity that no name fits may be named by its attribute `label`, if one
/// entity alone has it. Names stay in their file. Used on rank 0.
class GraphNames {
 public:
  /// Where a name stands, for messages.
  struct Place {
    std::string where;
    ExitStatus bad_status = ExitStatus::kBadData;
  };

  GraphNames(std::filesystem::path folder, const graph::GraphReader& graph);
  ~GraphNames();
  GraphNames(const GraphNames&) = delete;
  GraphNames& operator=(const GraphNames&) = delete;

  /// Original ids. Throw Error(place.bad_status) that suggests up to three names when one is not known.
  [[nodiscard]] std::uint64_t find_entity(const std::string& name, const Place& place) const;
  [[nodiscard]] std::uint32_t find_relation(const std::string& name, const Place& place) const;

  [[nodiscard]] std::uint64_t entity_count() const { return entities_.size(); }
  [[nodiscard]] std::uint64_t relation_count() const { return relations_.size(); }
  /// By original id; valid until the next call.
  [[nodiscard]] const std::string& entity(std::uint64_t id) const { return entities_.name(id); }
  [[nodiscard]] const std::string& relation(std::uint64_t id) const { return relations_.name(id); }

 private:
  /// The only entity with this label; none: no entity has it, or there are no labels. Throws Error(place.bad_status).
  [[nodiscard]] std::optional<std::uint64_t> find_label(const std::string& label, const Place& place) const;
  std::filesystem::path folder_;
  detail::NameIndex entities_;
  detail::NameIndex relations_;
  mutable std::unique_ptr<attributes::Table> labels_;  // once a name is not found
};

}  // namespace tessera::predict
