// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace tessera::storage {

class AtomicFile;

/// XXH3-128 of some bytes, in canonical (big-endian) order, so that its hex form is what xxhsum prints.
struct Digest {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Digest&) const = default;
  [[nodiscard]] std::string hex() const;
};

Digest hash_bytes(std::span<const std::byte> bytes);

template <class T>
Digest hash_values(std::span<const T> values) {
  return hash_bytes(std::as_bytes(values));
}

/// Reads the whole file. Throws Error(kMissingInput) or Error(kIo).
Digest hash_file(const std::filesystem::path& file);

/// Incremental form of hash_bytes.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void add(std::span<const std::byte> bytes);
  [[nodiscard]] Digest digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The checksums of the files of one folder: the text file `checksums.xxh3` in the format of `xxhsum -H2`, so that
/// `xxhsum -c checksums.xxh3` verifies the folder too. A file that is not listed there does not exist for Tessera.
class FolderChecksums {
 public:
  /// An absent list is an empty one. Throws Error(kBadData) for a malformed list.
  static FolderChecksums load(const std::filesystem::path& folder);
  /// Hashes `name` as it is on disk and adds or replaces its line.
  void record(const std::string& name);
  /// Records the digest of a file that the caller has hashed.
  void record(const std::string& name, const Digest& digest) { digests_[name] = digest; }
  void forget(const std::string& name) { digests_.erase(name); }
  /// Replaces the list on disk atomically and syncs it.
  void commit() const;
  /// Throws Error(kMissingInput) when the file is not listed or not there, Error(kBadData) when its bytes differ.
  void verify(const std::string& name) const;
  [[nodiscard]] bool lists(const std::string& name) const { return digests_.contains(name); }
  [[nodiscard]] const std::map<std::string, Digest>& digests() const { return digests_; }

 private:
  explicit FolderChecksums(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;
  std::map<std::string, Digest> digests_;
};

/// Commits a file whose folder has a list, and lists it. At every instant the list is true: a kill leaves a file that
/// is not listed, not one that looks damaged. Several processes may do so in one folder.
void commit_listed(AtomicFile& file);

inline constexpr const char* kChecksumsName = "checksums.xxh3";

}  // namespace tessera::storage
