// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/table.hpp"
#include "memory/pool.hpp"
#include "storage/hdf5.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace tessera::predict {

/// An attribute of an entity: no values, one or several.
struct Shown {
  std::string name;
  std::vector<std::string> values;
};

/// The attributes that are shown beside answers; used on rank 0. Their columns are read from graph.h5 and stay packed.
class ShownAttributes {
 public:
  /// Throws Error: kUsage for a name that the graph does not have; kBadData, kMissingInput, kOverBudget.
  ShownAttributes(const std::filesystem::path& graph_folder, const std::vector<std::string>& names, memory::Pool& pool);

  [[nodiscard]] std::size_t size() const { return columns_.size(); }
  [[nodiscard]] std::vector<std::string> names() const;
  /// All of them, in the order in which they were named, of an entity by its original id.
  [[nodiscard]] std::vector<Shown> of(std::uint64_t entity) const;
  /// All of them, without values.
  [[nodiscard]] std::vector<Shown> nothing() const;
  /// Writes the groups /shown/NNNNNN: the values of the entities whose bit is set.
  void write(storage::FileWriter& file, const std::vector<bool>& entities) const;

 private:
  attributes::Table table_;
  std::vector<std::size_t> columns_;
};

/// The attributes that are shown where `asked` are asked for: these, and before them `label`, if the graph has labels.
/// Throws Error as GraphReader does.
std::vector<std::string> with_label(const std::filesystem::path& graph_folder, const std::vector<std::string>& asked);
/// Those, read; null when there are none. Throws as ShownAttributes does, too.
std::unique_ptr<ShownAttributes> show_with_label(const std::filesystem::path& graph_folder,
                                                 const std::vector<std::string>& asked, memory::Pool& pool);

}  // namespace tessera::predict
