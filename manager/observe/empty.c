/* removed by the first file of this folder */
typedef int muster_empty_unit;
