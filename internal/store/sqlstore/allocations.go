package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/store"
)

type allocationStatements struct {
	claimAddress, releaseAddress, claimSegment, releaseSegments, defaultGroup, setDefaultGroup string
}

func newAllocationStatements(d *dialect) allocationStatements {
	return allocationStatements{
		// What somebody has taken since the transaction began is not seen to be taken: then the transaction runs again.
		claimAddress: d.bind(`
			INSERT INTO address (subnet_id, ip, port_id, pod_num, used_for) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`),
		releaseAddress: d.bind(`DELETE FROM address WHERE subnet_id = ? AND ip = ?`),
		claimSegment: d.bind(`
			INSERT INTO segment (network_type, physical_network, segmentation_id, network_id) VALUES (?, ?, ?, ?)
			ON CONFLICT DO NOTHING`),
		releaseSegments: d.bind(`DELETE FROM segment WHERE network_id = ?`),
		defaultGroup:    d.bind(`SELECT group_id FROM default_group WHERE project_id = ?`),
		setDefaultGroup: d.bind(`INSERT INTO default_group (project_id, group_id) VALUES (?, ?) ON CONFLICT DO NOTHING`),
	}
}

// addressArgument makes of an address, or its text, what the column ip holds.
func addressArgument(v any) (any, error) {
	ip, ok := v.(netip.Addr)
	if text, is := v.(string); is {
		parsed, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		ip, ok = parsed, true
	}
	if !ok || !ip.IsValid() {
		return nil, fmt.Errorf("%T %v is no address", v, v)
	}
	bytes := ip.As16()
	return bytes[:], nil
}

// uuidArgument makes of an id what a column holds, and NULL of "".
func (d *dialect) uuidArgument(id string) (any, error) {
	if id == "" {
		return nil, nil
	}
	uid, err := parseID(id)
	if err != nil {
		return nil, err
	}
	return d.uuid(uid), nil
}

func scanAddress(rows *sql.Rows) (a store.Address, err error) {
	var subnet uuid.UUID
	var port uuid.NullUUID
	var ip []byte
	var pod sql.NullInt32
	if err := rows.Scan(&subnet, &ip, &port, &pod, &a.Use); err != nil {
		return a, err
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return a, fmt.Errorf("address of %d bytes", len(ip))
	}
	a.SubnetID, a.IP, a.PodNum = subnet.String(), addr.Unmap(), pod.Int32
	if port.Valid {
		a.PortID = port.UUID.String()
	}
	return a, nil
}

// Addresses implements store.Reader.
func (v *view) Addresses(ctx context.Context, q store.AddressQuery) ([]store.Address, error) {
	text, args, err := v.addressQuery(q)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	rows, err := query(ctx, v.q, scanAddress, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	return rows, nil
}

func (s *Store) addressQuery(q store.AddressQuery) (string, []any, error) {
	var w where
	for _, id := range []struct{ condition, id string }{{`subnet_id = ?`, q.SubnetID}, {`port_id = ?`, q.PortID}} {
		if id.id != "" {
			arg, err := s.dialect.uuidArgument(id.id)
			if err != nil {
				return "", nil, err
			}
			w.and(id.condition, arg)
		}
	}
	if q.PodNum != 0 {
		w.and(`pod_num = ?`, q.PodNum)
	}
	if q.Use != "" {
		w.and(`used_for = ?`, q.Use)
		w.and(`pod_num IS NOT NULL`) // what is used for something is used by a pod: there is an index for that
	}
	for _, bound := range []struct {
		condition string
		ip        netip.Addr
	}{{`ip >= ?`, q.From}, {`ip <= ?`, q.To}} {
		if bound.ip.IsValid() {
			arg, err := addressArgument(bound.ip)
			if err != nil {
				return "", nil, err
			}
			w.and(bound.condition, arg)
		}
	}
	text, args := `SELECT subnet_id, ip, port_id, pod_num, used_for FROM address`+w.String()+` ORDER BY subnet_id, ip`, w.args
	if q.Limit > 0 {
		text, args = text+` LIMIT ?`, append(args, q.Limit)
	}
	return s.dialect.bind(text), args, nil
}

// CountAddresses implements store.Reader.
func (v *view) CountAddresses(ctx context.Context, subnetIDs []string) (map[string]int, error) {
	counts := make(map[string]int, len(subnetIDs))
	if len(subnetIDs) == 0 {
		return counts, nil
	}
	list, args := in(anys(subnetIDs), parseIDArgument(v.dialect))
	text := v.dialect.bind(`SELECT subnet_id, count(*) FROM address WHERE subnet_id` + list + ` GROUP BY subnet_id`)
	_, err := query(ctx, v.q, func(rows *sql.Rows) (struct{}, error) {
		var id uuid.UUID
		var n int
		err := rows.Scan(&id, &n)
		counts[id.String()] = n
		return struct{}{}, err
	}, text, args...)
	if err != nil {
		return nil, fmt.Errorf("count addresses: %w", err)
	}
	return counts, nil
}

// ClaimAddress implements store.Tx.
func (t *txn) ClaimAddress(ctx context.Context, a store.Address) (bool, error) {
	n, err := t.claimAddress(ctx, a)
	if err != nil {
		return false, fmt.Errorf("claim address %s of subnet %s: %w", a.IP, a.SubnetID, err)
	}
	return n == 1, nil
}

func (t *txn) claimAddress(ctx context.Context, a store.Address) (int64, error) {
	subnet, err := t.dialect.uuidArgument(a.SubnetID)
	if err != nil {
		return 0, err
	}
	port, err := t.dialect.uuidArgument(a.PortID)
	if err != nil {
		return 0, err
	}
	ip, err := addressArgument(a.IP)
	if err != nil {
		return 0, err
	}
	pod := sql.NullInt32{Int32: a.PodNum, Valid: a.PodNum != 0}
	return exec(ctx, t.tx, t.owned.allocations.claimAddress, subnet, ip, port, pod, a.Use)
}

// ReleaseAddress implements store.Tx.
func (t *txn) ReleaseAddress(ctx context.Context, subnetID string, addr netip.Addr) error {
	subnet, err := t.dialect.uuidArgument(subnetID)
	if err != nil {
		return fmt.Errorf("release address of subnet: %w", err)
	}
	ip, err := addressArgument(addr)
	if err == nil {
		_, err = exec(ctx, t.tx, t.owned.allocations.releaseAddress, subnet, ip)
	}
	if err != nil {
		return fmt.Errorf("release address %s of subnet %s: %w", addr, subnetID, err)
	}
	return nil
}

// Segments implements store.Reader.
func (v *view) Segments(ctx context.Context, q store.SegmentQuery) ([]store.Segment, error) {
	text, args, err := v.segmentQuery(q)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	rows, err := query(ctx, v.q, func(rows *sql.Rows) (s store.Segment, err error) {
		var network uuid.UUID
		err = rows.Scan(&s.NetworkType, &s.PhysicalNetwork, &s.SegmentationID, &network)
		s.NetworkID = network.String()
		return s, err
	}, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	return rows, nil
}

func (s *Store) segmentQuery(q store.SegmentQuery) (string, []any, error) {
	var w where
	if q.NetworkID != "" {
		network, err := s.dialect.uuidArgument(q.NetworkID)
		if err != nil {
			return "", nil, err
		}
		w.and(`network_id = ?`, network)
	}
	if q.NetworkType != "" {
		w.and(`network_type = ?`, q.NetworkType)
		w.and(`physical_network = ?`, q.PhysicalNetwork)
	}
	if q.From != 0 {
		w.and(`segmentation_id >= ?`, q.From)
	}
	if q.To != 0 {
		w.and(`segmentation_id <= ?`, q.To)
	}
	text, args := `
		SELECT network_type, physical_network, segmentation_id, network_id FROM segment`+w.String()+`
		ORDER BY network_type, physical_network, segmentation_id`, w.args
	if q.Limit > 0 {
		text, args = text+` LIMIT ?`, append(args, q.Limit)
	}
	return s.dialect.bind(text), args, nil
}

// ClaimSegment implements store.Tx.
func (t *txn) ClaimSegment(ctx context.Context, s store.Segment) (bool, error) {
	network, err := t.dialect.uuidArgument(s.NetworkID)
	var n int64
	if err == nil {
		n, err = exec(ctx, t.tx, t.owned.allocations.claimSegment, s.NetworkType, s.PhysicalNetwork, s.SegmentationID, network)
	}
	if err != nil {
		return false, fmt.Errorf("claim %s segment %d of %q: %w", s.NetworkType, s.SegmentationID, s.PhysicalNetwork, err)
	}
	return n == 1, nil
}

// ReleaseSegments implements store.Tx.
func (t *txn) ReleaseSegments(ctx context.Context, networkID string) error {
	network, err := t.dialect.uuidArgument(networkID)
	if err == nil {
		_, err = exec(ctx, t.tx, t.owned.allocations.releaseSegments, network)
	}
	if err != nil {
		return fmt.Errorf("release segments of network %q: %w", networkID, err)
	}
	return nil
}

// DefaultGroup implements store.Reader.
func (v *view) DefaultGroup(ctx context.Context, projectID string) (string, error) {
	ids, err := query(ctx, v.q, scalar[uuid.UUID], v.owned.allocations.defaultGroup, projectID)
	if err == nil && len(ids) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("get default security group of project %s: %w", projectID, err)
	}
	return ids[0].String(), nil
}

// SetDefaultGroup implements store.Tx.
func (t *txn) SetDefaultGroup(ctx context.Context, projectID, groupID string) error {
	group, err := t.dialect.uuidArgument(groupID)
	var n int64
	if err == nil {
		n, err = exec(ctx, t.tx, t.owned.allocations.setDefaultGroup, projectID, group)
	}
	if err == nil && n == 0 {
		err = &store.ConflictError{Field: "default_group", Value: projectID}
	}
	if err != nil {
		return fmt.Errorf("set default security group of project %s: %w", projectID, err)
	}
	return nil
}
