package mech

import (
	"crypto"

	"usbhsm7/firmware/command"
)

// task is one signature to make or to check.
type task struct {
	m     *command.Mechanism
	hash  crypto.Hash // that made input; 0: input is what the host sent
	input []byte
}

// algorithm makes and checks signatures.
type algorithm struct {
	sign   func(*Key, task, Entropy) ([]byte, error)
	verify func(k *Key, t task, sig []byte) error
	takes  params
}

var (
	algorithmRaw   = &algorithm{signRaw, verifyRaw, 0}
	algorithmPKCS1 = &algorithm{signPKCS1, verifyPKCS1, 0}
	algorithmPSS   = &algorithm{signPSS, verifyPSS, paramHash | paramSaltLength | paramMGF}
	algorithmECDSA = &algorithm{signECDSA, verifyECDSA, 0}
	algorithmEdDSA = &algorithm{signEdDSA, verifyEdDSA, 0}
	algorithmMLDSA = &algorithm{signMLDSA, verifyMLDSA, paramInfo}
)

// signature is what a mechanism of UseSign and UseVerify does: hash 0 means
// that the algorithm gets what the host sends as it is.
type signature struct {
	*algorithm
	hash crypto.Hash
}

var signatures = map[command.MechanismType]signature{
	command.MechRSAX509:           {algorithmRaw, 0},
	command.MechRSAPKCS:           {algorithmPKCS1, 0},
	command.MechSHA1RSAPKCS:       {algorithmPKCS1, crypto.SHA1},
	command.MechSHA224RSAPKCS:     {algorithmPKCS1, crypto.SHA224},
	command.MechSHA256RSAPKCS:     {algorithmPKCS1, crypto.SHA256},
	command.MechSHA384RSAPKCS:     {algorithmPKCS1, crypto.SHA384},
	command.MechSHA512RSAPKCS:     {algorithmPKCS1, crypto.SHA512},
	command.MechSHA3224RSAPKCS:    {algorithmPKCS1, crypto.SHA3_224},
	command.MechSHA3256RSAPKCS:    {algorithmPKCS1, crypto.SHA3_256},
	command.MechSHA3384RSAPKCS:    {algorithmPKCS1, crypto.SHA3_384},
	command.MechSHA3512RSAPKCS:    {algorithmPKCS1, crypto.SHA3_512},
	command.MechRSAPKCSPSS:        {algorithmPSS, 0},
	command.MechSHA1RSAPKCSPSS:    {algorithmPSS, crypto.SHA1},
	command.MechSHA224RSAPKCSPSS:  {algorithmPSS, crypto.SHA224},
	command.MechSHA256RSAPKCSPSS:  {algorithmPSS, crypto.SHA256},
	command.MechSHA384RSAPKCSPSS:  {algorithmPSS, crypto.SHA384},
	command.MechSHA512RSAPKCSPSS:  {algorithmPSS, crypto.SHA512},
	command.MechSHA3224RSAPKCSPSS: {algorithmPSS, crypto.SHA3_224},
	command.MechSHA3256RSAPKCSPSS: {algorithmPSS, crypto.SHA3_256},
	command.MechSHA3384RSAPKCSPSS: {algorithmPSS, crypto.SHA3_384},
	command.MechSHA3512RSAPKCSPSS: {algorithmPSS, crypto.SHA3_512},
	command.MechECDSA:             {algorithmECDSA, 0},
	command.MechECDSASHA1:         {algorithmECDSA, crypto.SHA1},
	command.MechECDSASHA224:       {algorithmECDSA, crypto.SHA224},
	command.MechECDSASHA256:       {algorithmECDSA, crypto.SHA256},
	command.MechECDSASHA384:       {algorithmECDSA, crypto.SHA384},
	command.MechECDSASHA512:       {algorithmECDSA, crypto.SHA512},
	command.MechECDSASHA3224:      {algorithmECDSA, crypto.SHA3_224},
	command.MechECDSASHA3256:      {algorithmECDSA, crypto.SHA3_256},
	command.MechECDSASHA3384:      {algorithmECDSA, crypto.SHA3_384},
	command.MechECDSASHA3512:      {algorithmECDSA, crypto.SHA3_512},
	command.MechEdDSA:             {algorithmEdDSA, 0},
	command.MechLunaEdDSA:         {algorithmEdDSA, 0},
	command.MechMLDSA:             {algorithmMLDSA, 0},
}

// Sign makes a signature or a MAC over data. ECDSA signatures are r || s.
func Sign(k *Key, m *command.Mechanism, data []byte, entropy Entropy) ([]byte, error) {
	s, ok := signatures[m.Type]
	if !ok {
		return signMAC(k, m, data)
	}
	t, err := s.task(m, data)
	if err != nil {
		return nil, err
	}
	return s.sign(k, t, entropy)
}

// Verify checks a signature or a MAC over data.
func Verify(k *Key, m *command.Mechanism, data, sig []byte) error {
	s, ok := signatures[m.Type]
	if !ok {
		return verifyMAC(k, m, data, sig)
	}
	t, err := s.task(m, data)
	if err != nil {
		return err
	}
	return s.verify(k, t, sig)
}

func (s signature) task(m *command.Mechanism, data []byte) (task, error) {
	if err := onlyParams(m, s.takes); err != nil {
		return task{}, err
	}
	if err := checkLength(data); err != nil {
		return task{}, err
	}
	if s.hash != 0 {
		data = sum(s.hash, data)
	}
	return task{m, s.hash, data}, nil
}
