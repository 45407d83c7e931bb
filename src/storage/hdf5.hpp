// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/checksum.hpp"
#include "storage/dataset_bytes.hpp"

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::storage {

/// Element types of datasets; all little-endian on disk.
enum class ElementType : std::uint8_t { kU8, kU16, kU32, kU64, kI64, kF32, kF64 };

template <class T>
constexpr ElementType element_type() {
  if constexpr (std::same_as<T, std::uint8_t> || std::same_as<T, char>)
    return ElementType::kU8;
  else if constexpr (std::same_as<T, std::uint16_t>)
    return ElementType::kU16;
  else if constexpr (std::same_as<T, std::uint32_t>)
    return ElementType::kU32;
  else if constexpr (std::same_as<T, std::uint64_t>)
    return ElementType::kU64;
  else if constexpr (std::same_as<T, std::int64_t>)
    return ElementType::kI64;
  else if constexpr (std::same_as<T, float>)
    return ElementType::kF32;
  else {
    static_assert(std::same_as<T, double>);
    return ElementType::kF64;
  }
}

std::size_t element_bytes(ElementType type);

/// A move-only HDF5 identifier and the function that closes it; keeps hdf5.h out of this header.
class Handle {
 public:
  using Close = int (*)(std::int64_t);
  Handle() = default;
  Handle(std::int64_t id, Close closer) : id_(id), close_(closer) {}
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle();
  [[nodiscard]] std::int64_t id() const { return id_; }
  /// Closes now and reports failure, which a destructor cannot.
  bool close();

 private:
  std::int64_t id_ = -1;
  Close close_ = nullptr;
};

/// The meaning of a dataset, for people with h5dump or h5py.
struct Description {
  std::string long_name;
  std::string units = "1";
};

/// "u8", "f32", ...
const char* name(ElementType type);

/// A dataset of known size that is written from front to back; carries its checksum.
class DatasetWriter {
 public:
  /// Appends whole elements. Throws Error(kIo); Error(kInternal) past the end.
  void append(std::span<const std::byte> bytes);
  template <class T>
  void append(std::span<const T> values) {
    append(std::as_bytes(values));
  }
  /// Writes the checksum attribute; every element must have been appended.
  void finish();

 private:
  friend class FileWriter;
  DatasetWriter(Handle dataset, std::string what, ElementType type, std::vector<std::uint64_t> shape);
  Handle dataset_;
  std::string what_;
  ElementType type_;
  std::vector<std::uint64_t> shape_;
  std::uint64_t written_ = 0;
  Hasher hasher_;
};

/// A new HDF5 file (format V110), contiguous datasets, provenance as root attributes. Groups in paths are made as
/// needed.
class FileWriter {
 public:
  /// `kind` ("part", "graph", ...) and `format_version` identify the format, as docs/formats/ describes it.
  FileWriter(std::filesystem::path file, const std::string& kind, std::uint64_t format_version);

  DatasetWriter dataset(const std::string& path, ElementType type, const std::vector<std::uint64_t>& shape,
                        const Description& description);
  template <class T>
  void write(const std::string& path, std::span<const T> values, const Description& description,
             std::vector<std::uint64_t> shape = {}) {
    if (shape.empty()) shape = {values.size()};
    DatasetWriter writer = dataset(path, element_type<T>(), shape, description);
    writer.append(values);
    writer.finish();
  }
  void attribute(const std::string& path, const std::string& name, std::uint64_t value);
  void attribute(const std::string& path, const std::string& name, double value);
  void attribute(const std::string& path, const std::string& name, const std::string& value);
  /// Flushes and closes; a file that is not closed is not complete. Throws Error(kIo).
  void close();

 private:
  void make_groups(const std::string& path);
  Handle object(const std::string& path);
  std::filesystem::path path_;
  Handle file_;
};

/// An existing file, read-only. Files are untrusted: links, filters, external and virtual storage are refused, sizes
/// are checked against the file before anything is allocated, checksums are verified. Errors name file, dataset and
/// reason.
class FileReader {
 public:
  /// Opens a file that `checksums.xxh3` of its folder vouches for.
  static FileReader open_verified(const std::filesystem::path& file, const std::string& kind,
                                  std::uint64_t newest_version);
  /// Opens without a checksum: only for files of this process, or inside a sandboxed child.
  static FileReader open_unverified(const std::filesystem::path& file);

  [[nodiscard]] bool has(const std::string& path) const;
  /// Never more elements than the file can hold, so that callers may allocate by it.
  [[nodiscard]] std::vector<std::uint64_t> shape(const std::string& path) const;
  [[nodiscard]] bool is_dataset(const std::string& path) const;
  /// Elements of a dataset that must have one axis.
  [[nodiscard]] std::uint64_t length(const std::string& path) const;
  /// XXH3-128 of the values of a dataset, as it was written down with them.
  [[nodiscard]] std::string digest(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> children(const std::string& group) const;

  /// The whole dataset, type as asked for and as stored, checksum verified.
  template <class T>
  [[nodiscard]] std::vector<T> read(const std::string& path) const {
    std::vector<T> values(element_count(path, element_type<T>()));
    read_into(path, element_type<T>(), std::as_writable_bytes(std::span(values)));
    return values;
  }
  /// The whole dataset into memory of exactly its size, checksum verified.
  template <class T>
  void read_to(const std::string& path, std::span<T> out) const {
    read_into(path, element_type<T>(), std::as_writable_bytes(out));
  }
  /// Rows first .. first+count-1 of the leading dimension; no checksum.
  template <class T>
  void read_rows(const std::string& path, std::uint64_t first, std::uint64_t count, std::span<T> out) const {
    read_block(path, element_type<T>(), first, count, std::as_writable_bytes(out));
  }
  /// The two functions above for a type that is known at run time.
  void read_into(const std::string& path, ElementType type, std::span<std::byte> out) const;
  void read_block(const std::string& path, ElementType type, std::uint64_t first, std::uint64_t count,
                  std::span<std::byte> out) const;
  /// A dataset of bytes with one axis, to be read piece by piece without this reader; no checksum.
  [[nodiscard]] DatasetBytes open_bytes(const std::string& path) const;
  [[nodiscard]] std::uint64_t integer(const std::string& path, const std::string& name) const;
  [[nodiscard]] double real(const std::string& path, const std::string& name) const;
  [[nodiscard]] std::string string(const std::string& path, const std::string& name) const;
  [[nodiscard]] std::optional<std::string> find_string(const std::string& path, const std::string& name) const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Where the values of a dataset begin in the file; nothing when they are not in one piece. For readers without the
  /// library.
  [[nodiscard]] std::optional<std::uint64_t> offset(const std::string& path) const;
  /// Verifies type, layout and checksum of one dataset without keeping it; returns its element type.
  ElementType check(const std::string& path) const;

 private:
  FileReader(std::filesystem::path path, Handle file) : path_(std::move(path)), file_(std::move(file)) {}
  [[nodiscard]] std::uint64_t element_count(const std::string& path, ElementType type) const;
  [[nodiscard]] Handle open_dataset(const std::string& path) const;
  [[nodiscard]] Handle open_attribute(const std::string& path, const std::string& name) const;
  void require_hard_link(const std::string& path) const;
  std::filesystem::path path_;
  Handle file_;
};

}  // namespace tessera::storage
