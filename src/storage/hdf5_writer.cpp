// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/provenance.hpp"
#include "storage/detail/hdf5_library.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace tessera::storage {

using detail::close_with;
using detail::library_lock;
using detail::library_message;

Handle::Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}

Handle& Handle::operator=(Handle&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(close_, other.close_);
  return *this;
}

Handle::~Handle() { (void)close(); }

bool Handle::close() {
  if (id_ < 0) return true;
  const std::scoped_lock lock(library_lock());
  return close_(std::exchange(id_, -1)) >= 0;
}

std::size_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::kU8: return 1;
    case ElementType::kU16: return 2;
    case ElementType::kU32:
    case ElementType::kF32: return 4;
    case ElementType::kU64:
    case ElementType::kI64:
    case ElementType::kF64: return 8;
  }
  return 0;
}

const char* name(ElementType type) {
  switch (type) {
    case ElementType::kU8: return "u8";
    case ElementType::kU16: return "u16";
    case ElementType::kU32: return "u32";
    case ElementType::kU64: return "u64";
    case ElementType::kI64: return "i64";
    case ElementType::kF32: return "f32";
    case ElementType::kF64: return "f64";
  }
  return "?";
}

namespace {

Handle checked(hid_t id, Handle::Close closer, const std::string& what) {
  if (id < 0) fail(ExitStatus::kIo, "writing {} failed: {}", what, library_message());
  return {id, closer};
}

// A status, or yes and no: negative is a failure.
int require(int result, const std::string& what) {
  if (result < 0) fail(ExitStatus::kIo, "writing {} failed: {}", what, library_message());
  return result;
}

struct AttributeValue {
  hid_t stored_type;
  hid_t memory_type;
  const void* data;
};

void write_attribute(hid_t object, const std::string& name, const AttributeValue& value, const std::string& what) {
  const Handle space = checked(H5Screate(H5S_SCALAR), close_with<H5Sclose>, what);
  if (require(H5Aexists(object, name.c_str()), what) > 0) require(H5Adelete(object, name.c_str()), what);
  const Handle attribute =
      checked(H5Acreate2(object, name.c_str(), value.stored_type, space.id(), H5P_DEFAULT, H5P_DEFAULT),
              close_with<H5Aclose>, what);
  require(H5Awrite(attribute.id(), value.memory_type, value.data), what);
}

void write_string_attribute(hid_t object, const std::string& name, const std::string& value, const std::string& what) {
  const Handle type = checked(H5Tcopy(H5T_C_S1), close_with<H5Tclose>, what);
  require(H5Tset_size(type.id(), value.empty() ? 1 : value.size()), what);
  require(H5Tset_strpad(type.id(), H5T_STR_NULLPAD), what);
  require(H5Tset_cset(type.id(), H5T_CSET_UTF8), what);
  const std::string bytes = value.empty() ? std::string(1, '\0') : value;
  write_attribute(object, name, {type.id(), type.id(), bytes.data()}, what);
}

}  // namespace

DatasetWriter::DatasetWriter(Handle dataset, std::string what, ElementType type, std::vector<std::uint64_t> shape)
    : dataset_(std::move(dataset)), what_(std::move(what)), type_(type), shape_(std::move(shape)) {}

void DatasetWriter::append(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const std::scoped_lock lock(library_lock());
  std::uint64_t row_bytes = element_bytes(type_);
  for (std::size_t axis = 1; axis < shape_.size(); ++axis) row_bytes *= shape_[axis];
  const std::uint64_t rows = bytes.size() / row_bytes;
  TESSERA_ASSERT(rows * row_bytes == bytes.size() && written_ + rows <= shape_[0], what_);
  std::vector<hsize_t> start(shape_.size(), 0);
  std::vector<hsize_t> count(shape_.begin(), shape_.end());
  start[0] = written_;
  count[0] = rows;
  const auto axes = static_cast<int>(shape_.size());
  const Handle in_file = checked(H5Dget_space(dataset_.id()), close_with<H5Sclose>, what_);
  require(H5Sselect_hyperslab(in_file.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr), what_);
  const Handle in_memory = checked(H5Screate_simple(axes, count.data(), nullptr), close_with<H5Sclose>, what_);
  require(H5Dwrite(dataset_.id(), detail::memory_type(type_), in_memory.id(), in_file.id(), H5P_DEFAULT, bytes.data()),
          what_);
  hasher_.add(bytes);
  written_ += rows;
}

void DatasetWriter::finish() {
  const std::scoped_lock lock(library_lock());
  const bool empty_rows = std::find(shape_.begin() + 1, shape_.end(), 0U) != shape_.end();
  TESSERA_ASSERT(shape_[0] == written_ || empty_rows, what_);
  write_string_attribute(dataset_.id(), detail::kDigestAttribute, hasher_.digest().hex(), what_);
  if (!dataset_.close()) fail(ExitStatus::kIo, "writing {} failed: {}", what_, library_message());
}

FileWriter::FileWriter(std::filesystem::path file, const std::string& kind, std::uint64_t format_version)
    : path_(std::move(file)) {
  const std::scoped_lock lock(library_lock());
  detail::prepare_library();
  const std::string what = fmt::format("'{}'", path_.string());
  const Handle access = checked(H5Pcreate(H5P_FILE_ACCESS), close_with<H5Pclose>, what);
  require(H5Pset_libver_bounds(access.id(), H5F_LIBVER_V110, H5F_LIBVER_V110), what);
  require(detail::leave_out_locks(access.id()), what);
  file_ = checked(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()), close_with<H5Fclose>, what);
  const Provenance provenance = current_provenance();
  attribute("/", "Conventions", std::string("Tessera-1"));
  attribute("/", "kind", kind);
  attribute("/", "format_version", format_version);
  attribute("/", "tessera_version", provenance.version);
  attribute("/", "git_commit", provenance.git_commit);
  attribute("/", "command_line", provenance.command_line);
  attribute("/", "host", provenance.host);
  attribute("/", "date_created", provenance.time_utc);
}

void FileWriter::make_groups(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string group = path.substr(0, slash);
    const std::string what = fmt::format("'{}', group {}", path_.string(), group);
    if (group.empty() || require(H5Lexists(file_.id(), group.c_str(), H5P_DEFAULT), what) > 0) continue;
    checked(H5Gcreate2(file_.id(), group.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), close_with<H5Gclose>, what);
  }
}

DatasetWriter FileWriter::dataset(const std::string& path, ElementType type, const std::vector<std::uint64_t>& shape,
                                  const Description& description) {
  const std::scoped_lock lock(library_lock());
  const std::string what = fmt::format("'{}', dataset {}", path_.string(), path);
  make_groups(path);
  const std::vector<hsize_t> extent(shape.begin(), shape.end());
  const Handle space =
      checked(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), close_with<H5Sclose>, what);
  const Handle creation = checked(H5Pcreate(H5P_DATASET_CREATE), close_with<H5Pclose>, what);
  require(H5Pset_obj_track_times(creation.id(), false), what);
  require(H5Pset_fill_time(creation.id(), H5D_FILL_TIME_NEVER), what);
  Handle dataset = checked(H5Dcreate2(file_.id(), path.c_str(), detail::file_type(type), space.id(), H5P_DEFAULT,
                                      creation.id(), H5P_DEFAULT),
                           close_with<H5Dclose>, what);
  write_string_attribute(dataset.id(), "long_name", description.long_name, what);
  write_string_attribute(dataset.id(), "units", description.units, what);
  return {std::move(dataset), what, type, shape};
}

Handle FileWriter::object(const std::string& path) {
  make_groups(path);
  const std::string what = fmt::format("'{}', object {}", path_.string(), path);
  if (path != "/" && require(H5Lexists(file_.id(), path.c_str(), H5P_DEFAULT), what) == 0)
    return checked(H5Gcreate2(file_.id(), path.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), close_with<H5Gclose>,
                   what);
  return checked(H5Oopen(file_.id(), path.c_str(), H5P_DEFAULT), close_with<H5Oclose>, what);
}

void FileWriter::attribute(const std::string& path, const std::string& name, std::uint64_t value) {
  const std::scoped_lock lock(library_lock());
  write_attribute(object(path).id(), name, {H5T_STD_U64LE, H5T_NATIVE_UINT64, &value}, path_.string());
}

void FileWriter::attribute(const std::string& path, const std::string& name, double value) {
  const std::scoped_lock lock(library_lock());
  write_attribute(object(path).id(), name, {H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value}, path_.string());
}

void FileWriter::attribute(const std::string& path, const std::string& name, const std::string& value) {
  const std::scoped_lock lock(library_lock());
  write_string_attribute(object(path).id(), name, value, path_.string());
}

void FileWriter::close() {
  const std::scoped_lock lock(library_lock());
  const std::string what = fmt::format("'{}'", path_.string());
  require(H5Fflush(file_.id(), H5F_SCOPE_GLOBAL), what);
  if (!file_.close()) fail(ExitStatus::kIo, "writing {} failed: {}", what, library_message());
}

}  // namespace tessera::storage
