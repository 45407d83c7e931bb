// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "partition/import/rank_table.hpp"
#include "partition/import/temp_file.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

namespace tessera::partition {

/// A triple in one integer that sorts by relation, head, tail.
struct TripleKey {
  __extension__ using Integer = unsigned __int128;
  Integer value = 0;
  auto operator<=>(const TripleKey&) const = default;
};

/// Radix sort on the bits that differ. `scratch` is given the size of `keys`.
void sort_records(std::vector<TripleKey>& keys, std::vector<TripleKey>& scratch);

/// How many bits an id takes in a key.
struct KeyLayout {
  unsigned entity_bits = 40;
  unsigned relation_bits = 32;

  /// The least bits for ids below these counts.
  static KeyLayout for_counts(std::uint64_t entities, std::uint64_t relations);
  [[nodiscard]] TripleKey pack(std::uint64_t head, std::uint64_t relation, std::uint64_t tail) const {
    using Integer = TripleKey::Integer;
    return {(((static_cast<Integer>(relation) << entity_bits) | head) << entity_bits) | tail};
  }
  [[nodiscard]] std::uint64_t tail(TripleKey key) const {
    return static_cast<std::uint64_t>(key.value) & entity_mask();
  }
  [[nodiscard]] std::uint64_t head(TripleKey key) const {
    return static_cast<std::uint64_t>(key.value >> entity_bits) & entity_mask();
  }
  [[nodiscard]] std::uint64_t relation(TripleKey key) const {
    return static_cast<std::uint64_t>(key.value >> (2 * entity_bits));
  }
  [[nodiscard]] Triple unpack(TripleKey key) const {
    return {EntityId(head(key)), RelationId(static_cast<std::uint32_t>(relation(key))), EntityId(tail(key))};
  }

 private:
  [[nodiscard]] std::uint64_t entity_mask() const { return (std::uint64_t{1} << entity_bits) - 1; }
};

/// Keys in a temporary file, in the order in which they were added.
class KeyFile {
 public:
  KeyFile(const std::filesystem::path& folder, KeyLayout layout) : layout_(layout), file_(folder) {}
  void add(TripleKey key) {
    if (block_.size() == kBlockKeys) write_block();
    block_.push_back(key);
  }
  /// Needed before reading.
  void finish();
  [[nodiscard]] std::uint64_t size() const { return count_ + block_.size(); }
  [[nodiscard]] const KeyLayout& layout() const { return layout_; }

  /// Reads the keys in blocks from front to back; the file must outlive the reader.
  class Reader {
   public:
    explicit Reader(const KeyFile& file);
    /// Empty at the end; valid until the next call.
    std::span<const TripleKey> next() { return reader_.take_records<TripleKey>(); }

   private:
    TempReader reader_;
  };

 private:
  static constexpr std::size_t kBlockKeys = std::size_t{1} << 14U;
  void write_block();
  KeyLayout layout_;
  TempFile file_;
  std::vector<TripleKey> block_;
  std::uint64_t count_ = 0;
};

/// Weights in a temporary file, in the order in which they were added.
class WeightFile {
 public:
  explicit WeightFile(const std::filesystem::path& folder) : file_(folder) {}
  void add(float weight) { file_.append(std::as_bytes(std::span(&weight, 1))); }
  /// Needed before reading.
  void finish() { file_.flush(); }

  /// Reads the weights from front to back; the file must outlive the reader.
  class Reader {
   public:
    explicit Reader(const WeightFile& file);
    /// The next weights, of which `file` has as many. Valid until the next call.
    std::span<const float> take(std::size_t count);
    float next() { return take(1).front(); }

   private:
    TempReader reader_;
  };

 private:
  TempFile file_;
};

/// The triples of one split: distinct, sorted by relation, head, tail; in a temporary file.
class SplitTriples {
 public:
  /// `weights` of the keys, if they have any.
  explicit SplitTriples(KeyFile keys, std::optional<WeightFile> weights = std::nullopt)
      : keys_(std::move(keys)), weights_(std::move(weights)) {
    keys_.finish();
    if (weights_) weights_->finish();
  }
  [[nodiscard]] std::uint64_t size() const { return keys_.size(); }
  [[nodiscard]] const KeyFile& keys() const { return keys_; }
  [[nodiscard]] const std::optional<WeightFile>& weights() const { return weights_; }

  /// Calls consume(std::span<const Triple>) with consecutive blocks; may be repeated.
  template <class Consume>
  void for_each_block(const Consume& consume) const {
    for_each_weighted_block([&](std::span<const Triple> block, std::span<const float> /*weights*/) { consume(block); });
  }
  /// Calls consume(std::span<const Triple>, std::span<const float>) with consecutive blocks and their weights, if they
  /// have any; may be repeated.
  template <class Consume>
  void for_each_weighted_block(const Consume& consume) const {
    KeyFile::Reader reader(keys_);
    std::optional<WeightFile::Reader> weights;
    if (weights_) weights.emplace(*weights_);
    std::vector<Triple> triples;
    for (std::span<const TripleKey> block = reader.next(); !block.empty(); block = reader.next()) {
      triples.clear();
      for (const TripleKey key : block) triples.push_back(keys_.layout().unpack(key));
      consume(std::span<const Triple>(triples), weights ? weights->take(triples.size()) : std::span<const float>());
    }
  }

 private:
  KeyFile keys_;
  std::optional<WeightFile> weights_;
};

/// The settings of a sort.
struct SortSettings {
  std::filesystem::path folder;
  std::uint64_t memory_bytes;
};

/// The maps from numbers in order of appearance to ids.
struct IdMaps {
  RankTable& entity_ranks;
  std::span<const std::uint64_t> relation_ranks;
  KeyLayout layout;  ///< layout of the resulting keys
};

/// Sorts spilled triples; repeated ones are dropped and added to `duplicates`.
SplitTriples sort_triples(const KeyFile& spilled, const IdMaps& maps, const SortSettings& settings,
                          std::uint64_t& duplicates);

/// The same of triples with weights. Weights of repeated triples are added up. Throws Error(kBadData) when a sum is no
/// finite number.
SplitTriples sort_weighted_triples(const KeyFile& spilled, const WeightFile& weights, const IdMaps& maps,
                                   const SortSettings& settings, std::uint64_t& duplicates);

/// How many triples of `later` are in `earlier` too.
std::uint64_t count_common(const SplitTriples& earlier, const SplitTriples& later);

}  // namespace tessera::partition
