// The one translation unit that compiles Asio's own code; BOOST_ASIO_SEPARATE_COMPILATION
// keeps it out of all others.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
