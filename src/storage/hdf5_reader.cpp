// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/text.hpp"
#include "storage/detail/hdf5_library.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace tessera::storage {

using detail::close_with;
using detail::library_lock;
using detail::library_message;

namespace {

template <class... Args>
[[noreturn]] void bad_file(const std::filesystem::path& file, const std::string& object,
                           fmt::format_string<Args...> reason, Args&&... args) {
  fail(ExitStatus::kBadData, "'{}', {}: {}", file.string(), object, fmt::format(reason, std::forward<Args>(args)...));
}

// The object in the file that an error names.
struct Place {
  const std::filesystem::path& file;
  std::string object;
};

// The result of a call to the library, unless it is negative: then the call failed.
template <class Result>
Result checked(Result result, const Place& at) {
  if (static_cast<std::int64_t>(result) < 0) bad_file(at.file, at.object, "cannot be read: {}", library_message());
  return result;
}

Handle opened(hid_t id, Handle::Close closer, const Place& at) { return {checked(id, at), closer}; }

std::size_t size_of(hid_t type, const Place& at) {
  const std::size_t bytes = H5Tget_size(type);
  if (bytes == 0) bad_file(at.file, at.object, "cannot be read: {}", library_message());
  return bytes;
}

std::vector<std::uint64_t> extent_of(hid_t space, const Place& at) {
  std::vector<hsize_t> extent(static_cast<std::size_t>(checked(H5Sget_simple_extent_ndims(space), at)));
  if (!extent.empty()) checked(H5Sget_simple_extent_dims(space, extent.data(), nullptr), at);
  return {extent.begin(), extent.end()};
}

std::optional<ElementType> stored_type(hid_t dataset, const Place& at) {
  const Handle type = opened(H5Dget_type(dataset), close_with<H5Tclose>, at);
  for (const ElementType candidate : {ElementType::kU8, ElementType::kU16, ElementType::kU32, ElementType::kU64,
                                      ElementType::kI64, ElementType::kF32, ElementType::kF64})
    if (checked(H5Tequal(type.id(), detail::file_type(candidate)), at) > 0) return candidate;
  return std::nullopt;
}

H5I_type_t kind_of(hid_t file, const std::string& path, const Place& at) {
  const Handle object = opened(H5Oopen(file, path.c_str(), H5P_DEFAULT), close_with<H5Oclose>, at);
  return checked(H5Iget_type(object.id()), at);
}

bool fits(const std::vector<std::uint64_t>& extent, std::uint64_t most_elements) {
  if (std::find(extent.begin(), extent.end(), 0U) != extent.end()) return true;
  std::uint64_t count = 1;
  for (const std::uint64_t axis : extent) {
    if (count > most_elements / axis) return false;
    count *= axis;
  }
  return true;
}

// Contiguous or compact storage without filters or external files, no larger than the file that holds it.
bool is_plain_storage(hid_t dataset, const Place& at) {
  const Handle creation = opened(H5Dget_create_plist(dataset), close_with<H5Pclose>, at);
  const H5D_layout_t layout = checked(H5Pget_layout(creation.id()), at);
  return (layout == H5D_CONTIGUOUS || layout == H5D_COMPACT) && checked(H5Pget_nfilters(creation.id()), at) == 0 &&
         checked(H5Pget_external_count(creation.id()), at) == 0;
}

}  // namespace

FileReader FileReader::open_unverified(const std::filesystem::path& file) {
  const std::scoped_lock lock(library_lock());
  detail::prepare_library();
  if (!std::filesystem::is_regular_file(file)) fail(ExitStatus::kMissingInput, "'{}' is not a file", file.string());
  const Handle access = opened(H5Pcreate(H5P_FILE_ACCESS), close_with<H5Pclose>, {file, "access"});
  checked(detail::leave_out_locks(access.id()), {file, "access"});
  const hid_t id = H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.id());
  if (id < 0) fail(ExitStatus::kBadData, "'{}' cannot be read as HDF5: {}", file.string(), library_message());
  return {file, Handle(id, close_with<H5Fclose>)};
}

FileReader FileReader::open_verified(const std::filesystem::path& file, const std::string& kind,
                                     std::uint64_t newest_version) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  FolderChecksums::load(folder).verify(file.filename().string());
  FileReader reader = open_unverified(file);
  const std::string found = reader.string("/", "kind");
  if (found != kind) bad_file(file, "attribute kind", "this is a '{}' file, a '{}' file is needed", found, kind);
  const std::uint64_t version = reader.integer("/", "format_version");
  if (version > newest_version)
    bad_file(file, "attribute format_version", "format {} is newer than this program knows ({}); use a newer Tessera",
             version, newest_version);
  return reader;
}

void FileReader::require_hard_link(const std::string& path) const {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string prefix = path.substr(0, slash);
    if (prefix != "/" && !prefix.empty()) {
      H5L_info_t info;
      const Place at{path_, path};
      if (checked(H5Lexists(file_.id(), prefix.c_str(), H5P_DEFAULT), at) == 0) bad_file(path_, path, "is missing");
      checked(H5Lget_info(file_.id(), prefix.c_str(), &info, H5P_DEFAULT), at);
      if (info.type != H5L_TYPE_HARD) bad_file(path_, path, "{} is a link; links are refused", prefix);
    }
    if (slash == std::string::npos) return;
  }
}

bool FileReader::has(const std::string& path) const {
  const std::scoped_lock lock(library_lock());
  const Place at{path_, path};
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string prefix = path.substr(0, slash);
    if (checked(H5Lexists(file_.id(), prefix.c_str(), H5P_DEFAULT), at) == 0) return false;
    require_hard_link(prefix);  // before the library follows it
    if (slash == std::string::npos) return true;
    if (kind_of(file_.id(), prefix, at) != H5I_GROUP) return false;
  }
}

Handle FileReader::open_dataset(const std::string& path) const {
  require_hard_link(path);
  Handle dataset(H5Dopen2(file_.id(), path.c_str(), H5P_DEFAULT), close_with<H5Dclose>);
  if (dataset.id() < 0) bad_file(path_, "dataset " + path, "cannot be opened: {}", library_message());
  if (!is_plain_storage(dataset.id(), {path_, "dataset " + path}))
    bad_file(path_, "dataset " + path, "filters, external or virtual storage are refused");
  return dataset;
}

std::vector<std::uint64_t> FileReader::shape(const std::string& path) const {
  const std::scoped_lock lock(library_lock());
  const Handle dataset = open_dataset(path);
  const Place at{path_, "dataset " + path};
  const Handle space = opened(H5Dget_space(dataset.id()), close_with<H5Sclose>, at);
  const Handle type = opened(H5Dget_type(dataset.id()), close_with<H5Tclose>, at);
  std::vector<std::uint64_t> extent = extent_of(space.id(), at);
  const std::uint64_t most = std::filesystem::file_size(path_) / size_of(type.id(), at);
  if (!fits(extent, most)) bad_file(path_, "dataset " + path, "claims to be larger than its file");
  return extent;
}

bool FileReader::is_dataset(const std::string& path) const {
  const std::scoped_lock lock(library_lock());
  require_hard_link(path);
  return kind_of(file_.id(), path, {path_, path}) == H5I_DATASET;
}

std::uint64_t FileReader::length(const std::string& path) const {
  const std::vector<std::uint64_t> extent = shape(path);
  if (extent.size() != 1) bad_file(path_, "dataset " + path, "has {} axes where one is needed", extent.size());
  return extent[0];
}

std::vector<std::string> FileReader::children(const std::string& group) const {
  const std::scoped_lock lock(library_lock());
  std::vector<std::string> names;
  if (group != "/") require_hard_link(group);
  const Handle folder(H5Gopen2(file_.id(), group.c_str(), H5P_DEFAULT), close_with<H5Gclose>);
  if (folder.id() < 0) bad_file(path_, "group " + group, "cannot be opened: {}", library_message());
  const herr_t status = H5Literate(
      folder.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr,
      [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
        static_cast<std::vector<std::string>*>(out)->emplace_back(name);
        return 0;
      },
      &names);
  if (status < 0) bad_file(path_, "group " + group, "cannot be listed: {}", library_message());
  return names;
}

std::uint64_t FileReader::element_count(const std::string& path, ElementType type) const {
  const std::scoped_lock lock(library_lock());
  if (stored_type(open_dataset(path).id(), {path_, "dataset " + path}) != type)
    bad_file(path_, "dataset " + path, "has another element type than documented");
  std::uint64_t count = 1;
  for (const std::uint64_t axis : shape(path)) count *= axis;
  return count;
}

std::string FileReader::digest(const std::string& path) const { return string(path, detail::kDigestAttribute); }

void FileReader::read_into(const std::string& path, ElementType type, std::span<std::byte> out) const {
  const std::scoped_lock lock(library_lock());
  const std::vector<std::uint64_t> extent = shape(path);
  const std::uint64_t rows = extent.empty() ? 1 : extent[0];
  if (element_count(path, type) * element_bytes(type) != out.size())
    bad_file(path_, "dataset " + path, "holds {} elements where {} are needed", element_count(path, type),
             out.size() / element_bytes(type));
  read_block(path, type, 0, rows, out);
  if (hash_bytes(out).hex() != digest(path))
    bad_file(path_, "dataset " + path, "its values do not match their checksum");
}

void FileReader::read_block(const std::string& path, ElementType type, std::uint64_t first, std::uint64_t count,
                            std::span<std::byte> out) const {
  const std::scoped_lock lock(library_lock());
  const Handle dataset = open_dataset(path);
  const Place at{path_, "dataset " + path};
  if (stored_type(dataset.id(), at) != type) bad_file(path_, at.object, "has another element type than documented");
  const Handle in_file = opened(H5Dget_space(dataset.id()), close_with<H5Sclose>, at);
  const std::vector<std::uint64_t> extent = extent_of(in_file.id(), at);
  std::vector<hsize_t> sizes(extent.begin(), extent.end());
  std::vector<hsize_t> start(extent.size(), 0);
  if (extent.empty() || first > extent[0] || count > extent[0] - first)
    bad_file(path_, at.object, "rows {} to {} are outside of it", first, first + count);
  start[0] = first;
  sizes[0] = count;
  std::uint64_t bytes = element_bytes(type);
  for (const hsize_t size : sizes) bytes *= size;
  if (bytes != out.size())
    bad_file(path_, at.object, "{} rows of it are {} bytes where {} are needed", count, bytes, out.size());
  if (bytes == 0) return;
  checked(H5Sselect_hyperslab(in_file.id(), H5S_SELECT_SET, start.data(), nullptr, sizes.data(), nullptr), at);
  const Handle in_memory =
      opened(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), close_with<H5Sclose>, at);
  checked(H5Dread(dataset.id(), detail::memory_type(type), in_memory.id(), in_file.id(), H5P_DEFAULT, out.data()), at);
}

std::optional<std::uint64_t> FileReader::offset(const std::string& path) const {
  const std::scoped_lock lock(library_lock());
  const haddr_t offset = H5Dget_offset(open_dataset(path).id());
  return offset == HADDR_UNDEF ? std::nullopt : std::optional<std::uint64_t>(offset);
}

DatasetBytes FileReader::open_bytes(const std::string& path) const {
  const std::scoped_lock lock(library_lock());
  const std::uint64_t size = length(path);
  const Place at{path_, "dataset " + path};
  const Handle dataset = open_dataset(path);
  if (stored_type(dataset.id(), at) != ElementType::kU8) bad_file(path_, at.object, "must hold bytes");
  const haddr_t offset = H5Dget_offset(dataset.id());
  if (size == 0 || offset == HADDR_UNDEF) {  // compact: it lies in the header of the dataset
    std::vector<std::uint8_t> bytes(size);
    read_block(path, ElementType::kU8, 0, size, std::as_writable_bytes(std::span(bytes)));
    return DatasetBytes(std::move(bytes));
  }
  void* descriptor = nullptr;
  checked(H5Fget_vfd_handle(file_.id(), H5P_DEFAULT, &descriptor), at);
  return {*static_cast<const int*>(descriptor), offset, size, path_, path};
}

ElementType FileReader::check(const std::string& path) const {
  const std::scoped_lock lock(library_lock());
  const std::optional<ElementType> type = stored_type(open_dataset(path).id(), {path_, "dataset " + path});
  if (!type) bad_file(path_, "dataset " + path, "has an element type that Tessera does not write");
  std::vector<std::byte> bytes(element_count(path, *type) * element_bytes(*type));
  read_into(path, *type, bytes);
  return *type;
}

Handle FileReader::open_attribute(const std::string& path, const std::string& name) const {
  if (path != "/") require_hard_link(path);
  const Place at{path_, fmt::format("{}, attribute {}", path, name)};
  if (checked(H5Aexists_by_name(file_.id(), path.c_str(), name.c_str(), H5P_DEFAULT), at) == 0)
    bad_file(path_, at.object, "is missing");
  Handle attribute = opened(H5Aopen_by_name(file_.id(), path.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
                            close_with<H5Aclose>, at);
  const Handle space = opened(H5Aget_space(attribute.id()), close_with<H5Sclose>, at);
  if (checked(H5Sget_simple_extent_npoints(space.id()), at) != 1) bad_file(path_, at.object, "must be a single value");
  return attribute;
}

std::uint64_t FileReader::integer(const std::string& path, const std::string& name) const {
  const std::scoped_lock lock(library_lock());
  const Place at{path_, fmt::format("{}, attribute {}", path, name)};
  const Handle attribute = open_attribute(path, name);
  const Handle type = opened(H5Aget_type(attribute.id()), close_with<H5Tclose>, at);
  std::uint64_t value = 0;
  std::int64_t as_signed = 0;  // the library turns negative values into 0 when an unsigned one is asked for
  const bool is_integer = checked(H5Tget_class(type.id()), at) == H5T_INTEGER;
  if (is_integer) {
    checked(H5Aread(attribute.id(), H5T_NATIVE_UINT64, &value), at);
    checked(H5Aread(attribute.id(), H5T_NATIVE_INT64, &as_signed), at);
  }
  if (!is_integer || as_signed < 0) bad_file(path_, at.object, "must be an integer, not negative");
  return value;
}

double FileReader::real(const std::string& path, const std::string& name) const {
  const std::scoped_lock lock(library_lock());
  const Place at{path_, fmt::format("{}, attribute {}", path, name)};
  const Handle attribute = open_attribute(path, name);
  const Handle type = opened(H5Aget_type(attribute.id()), close_with<H5Tclose>, at);
  if (checked(H5Tget_class(type.id()), at) != H5T_FLOAT) bad_file(path_, at.object, "must be a real number");
  double value = 0;
  checked(H5Aread(attribute.id(), H5T_NATIVE_DOUBLE, &value), at);
  return value;
}

std::string FileReader::string(const std::string& path, const std::string& name) const {
  const std::scoped_lock lock(library_lock());
  const Place at{path_, fmt::format("{}, attribute {}", path, name)};
  const Handle attribute = open_attribute(path, name);
  const Handle type = opened(H5Aget_type(attribute.id()), close_with<H5Tclose>, at);
  constexpr std::size_t kLongest = std::size_t{1} << 20U;
  if (checked(H5Tget_class(type.id()), at) != H5T_STRING || checked(H5Tis_variable_str(type.id()), at) > 0 ||
      size_of(type.id(), at) > kLongest)
    bad_file(path_, at.object, "must be a string of fixed length");
  std::string value(size_of(type.id(), at), '\0');
  checked(H5Aread(attribute.id(), type.id(), value.data()), at);
  value.resize(std::min(value.size(), value.find('\0')));
  if (!text::is_utf8(value)) bad_file(path_, at.object, "is not UTF-8");
  return value;
}

std::optional<std::string> FileReader::find_string(const std::string& path, const std::string& name) const {
  const std::scoped_lock lock(library_lock());
  if (path != "/") require_hard_link(path);
  const Place at{path_, fmt::format("{}, attribute {}", path, name)};
  if (checked(H5Aexists_by_name(file_.id(), path.c_str(), name.c_str(), H5P_DEFAULT), at) == 0) return std::nullopt;
  return string(path, name);
}

}  // namespace tessera::storage
